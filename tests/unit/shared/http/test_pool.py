"""Upstream pools, breakers and rebuilt faults, against real little servers on loopback."""

import contextlib
import json
import threading
import time
from functools import partial
from io import BytesIO

import pytest
import requests
import trustme

from shared.core.breaker import CircuitBreaker
from shared.core.cancellation import watching
from shared.core.errors import (
    ClientGone,
    EngineFailure,
    InsufficientStorage,
    InvalidRequest,
    Overloaded,
    UnknownVoice,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from shared.core.log import request_id
from shared.http.client.error_parsing import fault_from_body
from shared.http.client.pool import UpstreamPool
from shared.http.client.replicas import Replicas
from tests.little_server import LittleServer


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_circuit_opens_after_failures_in_a_row_and_tries_once_after_the_cooldown():
    clock = Clock()
    breaker = CircuitBreaker(threshold=2, cooldown_s=10, clock=clock)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.allow()
    breaker.failed()
    assert not breaker.allow()
    clock.now = 10
    assert breaker.allow()
    assert not breaker.allow(), "one trial at a time"
    breaker.failed()
    assert not breaker.allow()
    clock.now = 20
    assert breaker.allow()
    breaker.succeeded()
    assert breaker.allow()
    assert breaker.allow()


def test_a_trial_without_an_outcome_does_not_block_for_ever():
    clock = Clock()
    breaker = CircuitBreaker(threshold=1, cooldown_s=1, clock=clock)
    breaker.failed()
    clock.now = 1
    assert breaker.allow()
    clock.now = 2
    assert breaker.allow()


@pytest.mark.parametrize(
    ("body", "status", "cls"),
    [
        (
            {"error": {"message": "m", "code": "unknown_voice", "available": ["a"]}},
            404,
            UnknownVoice,
        ),
        ({"error": {"message": "m", "code": "something_new"}}, 422, InvalidRequest),
        ({"error": {"message": "m", "code": "overloaded"}}, None, Overloaded),
        ({"error": {"message": "m", "code": "something_new"}}, None, EngineFailure),
        ({"error": {"message": "m", "code": ["x"], "param": {}}}, 422, InvalidRequest),
        # Only the status tells a service without space for temporary files from one that cannot
        # save.
        ({"error": {"message": "m", "code": "disk_full"}}, 503, Overloaded),
        ({"error": {"message": "m", "code": "disk_full"}}, 507, InsufficientStorage),
        ({"error": "text"}, 500, EngineFailure),
        (None, 504, UpstreamTimeout),
        (None, 599, UpstreamUnavailable),
        (None, 401, UpstreamUnavailable),
        ({"detail": "Not Found"}, 404, UpstreamUnavailable),
        ("text", 302, UpstreamUnavailable),
        ({"error": "text"}, None, EngineFailure),
    ],
)
def test_faults_are_rebuilt_by_code_then_by_status(body, status, cls):
    fault = fault_from_body(body, status)
    assert type(fault) is cls
    if cls is UnknownVoice:
        assert fault.details == {"available": ["a"]}


@pytest.fixture
def serve():
    """Start little servers from handler functions; each gets (handler) and answers."""
    running = []

    def start(answer):
        running.append(LittleServer(answer))
        return running[-1].url

    yield start
    for server in running:
        server.close()


@pytest.fixture
def make_pool():
    pools = []

    def make(*urls, **kwargs):
        pools.append(UpstreamPool("test", urls, **kwargs))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


def reply(handler, status=200, body=None, headers=()):
    data = json.dumps(body if body is not None else {"ok": True}).encode()
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(data)))
    for name, value in headers:
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


DEAD = "http://127.0.0.1:9"


def test_a_file_is_sent_whole_again_after_a_replica_that_had_read_it(serve, make_pool):
    got = []

    def busy(handler):
        handler.rfile.read(int(handler.headers["Content-Length"]))
        reply(handler, 503)

    def answer(handler):
        got.append(handler.rfile.read(int(handler.headers["Content-Length"])))
        reply(handler)

    pool = make_pool(serve(busy), serve(answer))
    for _ in range(2):
        body = BytesIO(b"head, payload")
        body.seek(6)
        assert pool.json("POST", "/x", body=body) == {"ok": True}
    assert got == [b"payload"] * 2


def test_a_replica_that_is_silent_again_and_again_is_not_waited_for(serve, make_pool):
    over, asked = threading.Event(), []

    def silent(handler):
        asked.append(1)
        over.wait(20)
        handler.close_connection = True

    pool = make_pool(serve(silent), read_timeout_s=0.2)
    try:
        for _ in range(3):
            with pytest.raises(UpstreamTimeout):
                pool.request("GET", "/x")
        with pytest.raises(UpstreamUnavailable, match="every circuit is open"):
            pool.request("GET", "/x")
    finally:
        over.set()
    assert len(asked) == 3


def test_replicas_stay_known_while_no_name_can_be_resolved(monkeypatch):
    found = [["10.0.0.1", "10.0.0.2"]]

    def resolver(host, port):
        if not found:
            raise OSError("no name server")
        return found.pop()

    monkeypatch.setattr("shared.http.client.replicas.RESOLVE_EVERY_S", 0.0)
    replicas = Replicas("tts", ["http://tts:5000"], resolver)
    for _ in range(2):
        assert replicas.addresses() == ["http://10.0.0.1:5000", "http://10.0.0.2:5000"]


def test_a_redirect_is_the_answer_and_its_target_gets_no_request(serve, make_pool):
    asked = []

    def elsewhere(handler):
        asked.append(handler.headers.get("Authorization"))
        reply(handler)

    target = serve(elsewhere)
    url = serve(partial(reply, status=302, headers=[("Location", f"{target}/x")]))
    response = make_pool(url, token="secret").request("GET", "/x")
    assert response.status_code == 302
    response.close()
    assert asked == []


def test_a_replica_behind_tls_is_asked_by_its_name(make_pool, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = LittleServer(reply, authority.issue_cert("localhost"))
    try:
        pool = make_pool(server.url.replace("127.0.0.1", "localhost"))
        pool._session.verify = str(tmp_path / "ca.pem")
        assert pool.json("GET", "/x") == {"ok": True}
    finally:
        server.close()


def test_a_dead_replica_is_passed_over_and_the_body_is_sent_again(serve, make_pool):
    got = []

    def answer(handler):
        got.append(handler.rfile.read(int(handler.headers["Content-Length"])))
        reply(handler)

    pool = make_pool(DEAD, serve(answer))
    for _ in range(4):
        assert pool.json("POST", "/x", body=BytesIO(b"payload")) == {"ok": True}
    assert got == [b"payload"] * 4


def test_nobody_there(make_pool):
    with pytest.raises(UpstreamUnavailable) as caught:
        make_pool(DEAD).request("GET", "/")
    assert caught.value.status == 502


def test_request_id_and_token_go_along(serve, make_pool):
    seen = {}

    def answer(handler):
        seen.update(handler.headers.items())
        reply(handler)

    token = request_id.set("req-7")
    make_pool(serve(answer), token="secret").json("GET", "/")
    request_id.reset(token)
    assert seen["X-Request-ID"] == "req-7"
    assert seen["Authorization"] == "Bearer secret"


def test_a_replica_that_is_not_ready_is_passed_over(serve, make_pool):
    busy = serve(lambda h: reply(h, 503, {"error": {"message": "m", "code": "overloaded"}}))
    pool = make_pool(busy, serve(reply))
    for _ in range(3):
        assert pool.json("GET", "/") == {"ok": True}
    with pytest.raises(Overloaded) as caught:
        make_pool(
            serve(
                lambda h: reply(
                    h,
                    503,
                    {"error": {"message": "m", "code": "overloaded"}},
                    [("Retry-After", "7")],
                )
            )
        ).json("GET", "/")
    assert caught.value.retry_after == 7


@pytest.mark.parametrize("status", [500, 502, 429])
def test_another_error_is_the_answer_and_no_other_replica_is_asked(serve, make_pool, status):
    asked = []

    def failing(number):
        def answer(handler):
            asked.append(number)
            reply(handler, status, {"told by": number}, [("X-Engine", "e")])

        return serve(answer)

    pool = make_pool(failing(0), failing(1))
    # More than open a circuit: the replica is there, whatever it says.
    for turn in range(8):
        response = pool.request("GET", "/")
        assert response.status_code == status
        assert response.json() == {"told by": turn % 2}
        assert response.headers["X-Engine"] == "e"
    assert asked == [0, 1] * 4


def test_silence_is_a_timeout_and_is_not_repeated(serve, make_pool):
    calls, release = [], threading.Event()

    def answer(handler):
        calls.append(1)
        release.wait(5)

    pool = make_pool(serve(answer), read_timeout_s=0.1)
    with pytest.raises(UpstreamTimeout):
        pool.request("GET", "/")
    release.set()
    assert calls == [1]


def test_a_call_is_given_up_when_its_own_client_has_left(serve, make_pool):
    seen = threading.Event()

    def wait_for_the_caller_to_go(handler):
        # Nothing more is sent: reading ends when the caller closes.
        if handler.rfile.read(1) == b"":
            seen.set()

    pool = make_pool(serve(wait_for_the_caller_to_go))
    with watching(lambda: True), pytest.raises(ClientGone):
        pool.request("GET", "/")
    assert seen.wait(5)
    with watching(lambda: False):
        assert make_pool(serve(reply)).request("GET", "/").status_code == 200


def test_the_time_to_connect_does_not_limit_the_answer(serve, make_pool):
    def answer(handler):
        time.sleep(0.5)
        reply(handler)

    pool = make_pool(serve(answer), connect_timeout_s=0.1, read_timeout_s=30)
    assert pool.json("GET", "/") == {"ok": True}


def test_an_answer_may_take_longer_than_the_connection_did(serve, make_pool):
    def slow(handler):
        time.sleep(0.5)
        reply(handler)

    pool = make_pool(serve(slow), connect_timeout_s=0.1, read_timeout_s=5)
    assert pool.request("GET", "/").status_code == 200
    assert pool.request("GET", "/").status_code == 200


def test_a_kept_connection_that_died_is_replaced(serve, make_pool):
    def answer(handler):
        reply(handler)
        handler.close_connection = True  # without saying so in a header

    pool = make_pool(serve(answer))
    for _ in range(5):
        assert pool.json("GET", "/") == {"ok": True}


def test_an_open_circuit_refuses_without_calling(make_pool, monkeypatch):
    pool = make_pool(DEAD)
    sent = []

    def fail(*args, **kwargs):
        sent.append(args)
        raise requests.ConnectionError

    monkeypatch.setattr(pool._session, "request", fail)
    for _ in range(5):
        with pytest.raises(UpstreamUnavailable):
            pool.request("GET", "/")
    assert len(sent) == 6, (
        "three calls, each tried on a fresh connection too; then the circuit opens"
    )


class Replica:
    """Answers while it is well; else it drops the connection."""

    def __init__(self, serve):
        self.well = True
        self.asked = 0
        self.url = serve(self._answer)

    def _answer(self, handler):
        self.asked += 1
        if self.well:
            reply(handler)
        else:
            handler.close_connection = True


@pytest.fixture
def circuit_clock(monkeypatch):
    """The time by which the circuits of pools open and close."""
    clock = Clock()
    timed = partial(CircuitBreaker, clock=clock)
    monkeypatch.setattr("shared.http.client.replicas.CircuitBreaker", timed)
    return clock


def test_a_replica_comes_back_into_use_after_the_cooldown(serve, make_pool, circuit_clock):
    replica = Replica(serve)
    pool = make_pool(replica.url)
    replica.well = False
    for _ in range(4):
        with pytest.raises(UpstreamUnavailable):
            pool.request("GET", "/")
    replica.well = True
    replica.asked = 0
    with pytest.raises(UpstreamUnavailable, match="every circuit is open"):
        pool.request("GET", "/")
    assert replica.asked == 0
    circuit_clock.now += 60
    for number in range(1, 6):
        assert pool.json("GET", "/") == {"ok": True}
        assert replica.asked == number
    # It is as good as new: a single failure does not take it out of use.
    replica.well = False
    with pytest.raises(UpstreamUnavailable):
        pool.request("GET", "/")
    replica.well = True
    assert pool.json("GET", "/") == {"ok": True}


def test_a_trial_that_fails_keeps_the_replica_out_until_the_next_one(
    serve, make_pool, circuit_clock
):
    replica = Replica(serve)
    pool = make_pool(replica.url)
    replica.well = False
    for _ in range(4):
        with pytest.raises(UpstreamUnavailable):
            pool.request("GET", "/")
    circuit_clock.now += 60
    with pytest.raises(UpstreamUnavailable, match="ConnectionError"):
        pool.request("GET", "/")
    replica.well = True
    with pytest.raises(UpstreamUnavailable, match="every circuit is open"):
        pool.request("GET", "/")
    circuit_clock.now += 60
    assert pool.json("GET", "/") == {"ok": True}


def test_a_replica_that_came_back_takes_its_turns_again(serve, make_pool, circuit_clock):
    one, other = Replica(serve), Replica(serve)
    pool = make_pool(one.url, other.url)
    one.well = False
    answered = 0
    for _ in range(8):
        # Whoever was sent the request may have died of it: nobody else gets it.
        with contextlib.suppress(UpstreamUnavailable):
            answered += pool.json("GET", "/") == {"ok": True}
    assert (one.asked, other.asked, answered) == (3, 5, 5)
    one.well = True
    one.asked = other.asked = 0
    for _ in range(4):
        assert pool.json("GET", "/") == {"ok": True}
    assert (one.asked, other.asked) == (0, 4)
    circuit_clock.now += 60
    for _ in range(8):
        assert pool.json("GET", "/") == {"ok": True}
    assert (one.asked, other.asked) == (4, 8)


def test_names_with_several_addresses_are_spread_over(serve, make_pool):
    asked = []

    def answer(handler):
        asked.append(handler.headers["Host"])
        reply(handler)

    port = serve(answer).rpartition(":")[2]
    # The little server listens on the first address only.
    pool = make_pool(f"http://tts:{port}", resolver=lambda *_: ["127.0.0.1", "127.0.0.2"])
    for _ in range(4):
        assert pool.json("GET", "/") == {"ok": True}
    assert asked == [f"127.0.0.1:{port}"] * 4


def test_a_name_that_does_not_resolve_falls_back_to_the_name(serve, make_pool):
    def nowhere(host, port):
        raise OSError

    url = serve(reply).replace("127.0.0.1", "localhost")
    assert make_pool(url, resolver=nowhere).json("GET", "/") == {"ok": True}


def test_the_least_busy_replica_is_asked(serve, make_pool):
    asked = []

    def numbered(number):
        def answer(handler):
            asked.append(number)
            reply(handler)

        return answer

    pool = make_pool(serve(numbered(0)), serve(numbered(1)))
    held = pool.request("GET", "/")
    for _ in range(3):
        pool.json("GET", "/")
    assert asked == [0, 1, 1, 1], "an answer that is still being read keeps its replica busy"
    held.close()
    del held
    for _ in range(2):
        pool.json("GET", "/")
    assert asked[4:] in ([0, 1], [1, 0])


def test_a_request_that_kills_its_replica_reaches_no_other_and_is_not_repeated(serve, make_pool):
    asked = []

    def die(handler):
        asked.append(handler.rfile.read(int(handler.headers["Content-Length"])))
        handler.close_connection = True

    pool = make_pool(serve(die), serve(die))
    with pytest.raises(UpstreamUnavailable, match="broke off"):
        pool.request("POST", "/", body=BytesIO(b"deadly"))
    assert asked == [b"deadly"]


def test_a_body_on_a_kept_connection_that_died_is_sent_again_from_its_start(serve, make_pool):
    got = []

    def answer(handler):
        got.append(handler.rfile.read(int(handler.headers["Content-Length"])))
        reply(handler)
        handler.close_connection = True  # without saying so in a header

    pool = make_pool(serve(answer))
    for _ in range(5):
        assert pool.json("POST", "/", body=BytesIO(b"payload")) == {"ok": True}
    assert got == [b"payload"] * 5


def test_a_replica_that_vanished_is_left_alone_for_a_while(serve, make_pool, monkeypatch):
    pool = make_pool("http://10.255.255.1:9", serve(reply), connect_timeout_s=0.05)
    real, tried = pool._session.request, []

    def vanished(method, url, **more):
        tried.append(url)
        if "10.255" in url:
            raise requests.ConnectTimeout
        return real(method, url, **more)

    monkeypatch.setattr(pool._session, "request", vanished)
    for _ in range(6):
        assert pool.json("GET", "/") == {"ok": True}
    assert len([url for url in tried if "10.255" in url]) == 1, "nobody else waits for it"


def test_no_urls_is_a_mistake():
    with pytest.raises(ValueError, match="no upstream"):
        UpstreamPool("x", [])


def test_what_is_no_json(serve, make_pool):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1")
        handler.end_headers()
        handler.wfile.write(b"x")

    with pytest.raises(UpstreamUnavailable, match="no JSON"):
        make_pool(serve(answer)).json("GET", "/")


def test_readiness(serve, make_pool):
    assert make_pool(serve(reply)).is_ready()
    assert not make_pool(DEAD).is_ready()
    assert not make_pool(serve(lambda h: reply(h, 503))).is_ready()
