"""The policy of every port: places, tokens, caps, headers, the access log."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import threading
from contextlib import ExitStack, closing

import pytest
import requests
import websocket

from shared.core.errors import EngineFailure, Overloaded
from shared.http.server.asgi import shell as module
from shared.http.server.asgi.record import record_of
from shared.http.server.asgi.wsgi_bridge import WsgiBridge
from tests.asgi_server import closing_code, eventually

BEARER = {"Authorization": "Bearer right"}


class Gate:
    """An application whose answers wait to be let go."""

    def __init__(self):
        self.entered = 0
        self.let_go = threading.Event()

    async def __call__(self, scope, receive, send):
        record_of(scope).route = "/gate"
        self.entered += 1
        if scope["path"] == "/slow":
            await asyncio.to_thread(self.let_go.wait, 10)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})


@pytest.fixture
def gate():
    made = Gate()
    yield made
    made.let_go.set()


@pytest.fixture
def background():
    """Run something beside the test; what it returned is in the list that comes back."""
    threads = []

    def start(call):
        found = []
        threads.append(threading.Thread(target=lambda: found.append(call())))
        threads[-1].start()
        return found

    yield start
    for thread in threads:
        thread.join(15)


def test_requests_above_the_cap_are_refused_while_probes_answer(make_shell, gate, background):
    client = make_shell(gate, max_requests=1).client()
    slow = background(lambda: client.get("/slow"))
    eventually(lambda: gate.entered)
    refused = client.get("/other")
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
    assert refused.json["error"]["code"] == "overloaded"
    for probe in ("/livez", "/readyz", "/metrics"):
        assert client.get(probe).status_code == 200
    gate.let_go.set()
    eventually(lambda: slow)
    assert slow[0].text == "done"
    assert client.get("/other").status_code == 200


@pytest.mark.parametrize("headers", [[], [("Content-Length", "2")]], ids=["streamed", "whole"])
def test_the_next_request_of_a_client_finds_the_place_of_its_last_one(make_shell, headers):
    """Whoever has the whole answer may ask again at once, however few places there are."""

    def app(environ, start_response):
        start_response("200 OK", headers)
        return [b"ok"]

    server = make_shell(WsgiBridge(app, 4), max_requests=1)
    connection = http.client.HTTPConnection(server.host, timeout=10)
    statuses = []
    with closing(connection):
        for _ in range(300):
            connection.request("GET", "/")
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
    assert statuses == [200] * 300


HANGING = b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf"


def test_a_slow_upload_takes_no_place(make_shell, gate):
    server = make_shell(gate, max_requests=1)
    with ExitStack() as open_:
        for _ in range(8):
            open_.enter_context(server.raw()).sendall(HANGING)
        for _ in range(3):
            assert server.client().post("/x", data=b"whole").text == "done"


def test_many_slow_uploads_do_not_keep_out_probes_and_requests_without_a_body(
    make_shell, gate, monkeypatch
):
    monkeypatch.setattr(module, "MAX_RECEIVING", 2)
    server = make_shell(gate)
    client = server.client()
    with ExitStack() as open_:
        for _ in range(2):
            open_.enter_context(server.raw()).sendall(HANGING)

        def full():
            return client.post("/x", data=b"whole").status_code == 503

        eventually(full)
        for probe in ("/livez", "/readyz", "/metrics"):
            assert client.get(probe).status_code == 200, "a busy service must not look dead"
    eventually(lambda: client.post("/x", data=b"whole").status_code == 200)


def test_a_place_is_given_back_when_a_request_fails_or_its_client_leaves(make_shell):
    async def app(scope, receive, send):
        if scope["path"] == "/fail":
            raise RuntimeError("private")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while scope["path"] == "/endless":
            await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})

    client = make_shell(app, max_requests=1).client()
    for _ in range(3):
        assert client.get("/fail").json["error"]["code"] == "engine_failure"
        with client.stream("/endless") as answer:
            next(answer.iter_content(10))
        eventually(lambda: client.get("/").status_code == 200)


def test_guessing_is_limited_by_address_and_right_tokens_are_served(make_shell, monkeypatch):
    monkeypatch.setattr(module, "WRONG_TOKENS_PER_MINUTE", 3)
    server = make_shell(api_tokens="right", sockets={"/ws": lambda socket: socket.send("in")})
    client = server.client()
    codes = [
        client.get("/", headers={"Authorization": f"Bearer {guess}"}).status_code
        for guess in range(3)
    ]
    assert codes == [401] * 3
    limited = client.get("/")
    assert limited.status_code == 429
    assert int(limited.headers["Retry-After"]) >= 1
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        server.socket("/ws")
    assert caught.value.status_code == 429
    for _ in range(5):
        assert client.get("/", headers=BEARER).status_code == 200
    with closing(server.socket("/ws?token=right")) as welcome:
        assert welcome.recv() == "in"
    assert client.get("/livez").status_code == 200


def test_tokens_that_cannot_be_are_refused_as_wrong_ones(make_shell):
    client = make_shell(api_tokens="right").client()
    for value in ("Bearer", "Bearer ", "Basic right", "right", "Bearer righ", "Bearer right2"):
        assert client.get("/", headers={"Authorization": value}).status_code == 401, value
    odd = client.get("/", headers={"Authorization": "Bearer ré".encode("latin-1")})
    assert odd.status_code == 401
    assert client.get("/", headers={"Authorization": "bEARER  right "}).status_code == 200


def test_open_paths_need_no_token(make_shell):
    client = make_shell(api_tokens="right", open_paths={"/page"}).client()
    for path in ("/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/page"):
        assert client.get(path).status_code == 200, path
    for path in ("/", "/page/", "/livez/", "/Livez", "//livez", "/livez%2f", "/livez;x"):
        assert client.get(path).status_code == 401, path


def test_a_wrong_token_costs_nothing_of_the_service(make_shell, gate):
    server = make_shell(gate, api_tokens="right")
    with server.raw() as client:
        # The answer does not wait for the body.
        client.sendall(HANGING)
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 401")
    assert gate.entered == 0


def test_security_headers_are_on_every_answer(make_shell):
    async def app(scope, receive, send):
        if scope["path"] == "/fail":
            raise EngineFailure("x")
        headers = [(b"content-security-policy", b"mine"), (b"x-frame-options", b"ALLOW")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    client = make_shell(app, api_tokens="right").client()
    answers = {
        path: client.get(path, headers=headers)
        for path, headers in (("/fail", BEARER), ("/", BEARER), ("/denied", {}))
    }
    assert [a.status_code for a in answers.values()] == [500, 200, 401]
    for answer in answers.values():
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers.getlist("X-Frame-Options") == ["DENY"]
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["X-Request-ID"].startswith("req_")
        assert "Server" not in answer.headers
    assert answers["/"].headers.getlist("Content-Security-Policy") == ["mine"]
    assert "default-src 'none'" in answers["/fail"].headers["Content-Security-Policy"]


def test_the_access_log(make_shell, caplog):
    async def app(scope, receive, send):
        if scope["path"] == "/busy":
            raise Overloaded("x")
        headers = [(b"x-engine", b"e")]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body"})

    caplog.set_level(logging.INFO, "access")
    client = make_shell(app, api_tokens="right").client()
    client.post("/made?text=private", data=b"private", headers=BEARER)
    client.get("/busy", headers=BEARER)
    client.get("/denied", headers={"Authorization": "Bearer guessed"})
    client.get("/livez")

    def lines():
        return [record for record in caplog.records if record.name == "access"]

    eventually(lambda: len(lines()) == 3)
    assert [(r.getMessage(), r.status, r.outcome) for r in lines()] == [
        ("POST /made 201", 201, "ok"),
        ("GET /busy 503", 503, "overloaded"),
        ("GET /denied 401", 401, "invalid_api_key"),
    ]
    for record in lines():
        assert record.client == "127.0.0.1"
        assert 0 <= record.seconds < 10
        assert "private" not in str(record.__dict__)
        assert "guessed" not in str(record.__dict__)


def test_a_client_that_left_is_in_the_log_and_the_application_is_told(make_shell, caplog):
    told = threading.Event()

    async def app(scope, receive, send):
        record_of(scope).when_gone(told.set)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.sleep(0.01)

    caplog.set_level(logging.INFO, "access")
    with make_shell(app).client().stream("/") as answer:
        next(answer.iter_content(1))
    assert told.wait(10)
    eventually(lambda: [r.outcome for r in caplog.records if r.name == "access"])
    assert [r.outcome for r in caplog.records if r.name == "access"] == ["client_closed"]


def test_a_client_that_does_not_read_is_dropped(make_shell, monkeypatch):
    monkeypatch.setattr(module, "SEND_S", 0.3)
    ended = threading.Event()

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send(
                    {"type": "http.response.body", "body": bytes(1 << 16), "more_body": True}
                )
        finally:
            ended.set()

    server = make_shell(app)
    with server.raw() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert ended.wait(15)


def test_an_error_after_the_beginning_does_not_look_like_an_end(make_shell):
    async def app(scope, receive, send):
        headers = [(b"content-length", b"10")] if scope["path"] == "/known" else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise EngineFailure("x")

    client = make_shell(app).client()
    for path in ("/known", "/streamed"):
        with pytest.raises(requests.RequestException):
            client.get(path)


# WebSockets


def test_an_unknown_socket_is_a_404_with_a_body(make_shell):
    server = make_shell(sockets={"/ws": None})
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        server.socket("/other")
    assert caught.value.status_code == 404
    assert json.loads(caught.value.resp_body)["error"]["code"] == "not_found"
    assert caught.value.resp_headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("options", "accepted"),
    [
        ({}, False),
        ({"header": ["Authorization: Bearer wrong"]}, False),
        ({"subprotocols": ["openai-insecure-api-key.wrong"]}, False),
        ({"header": ["Authorization: Bearer right"]}, True),
        ({"subprotocols": ["voicemesh", "openai-insecure-api-key.right"]}, True),
        ({"subprotocols": ["realtime", "openai-insecure-api-key.right"]}, True),
    ],
)
def test_sockets_need_a_token(make_shell, options, accepted):
    async def session(socket):
        await socket.send("in")

    server = make_shell(sockets={"/ws": session}, api_tokens="right")
    if accepted:
        client = server.socket("/ws", **options)
        assert client.recv() == "in"
        assert client.subprotocol == (options.get("subprotocols") or [None])[0]
        client.shutdown()
        return
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        server.socket("/ws", **options)
    assert caught.value.status_code == 401


def test_sockets_above_the_cap_are_told_and_closed(make_shell):
    async def session(socket):
        while (message := await socket.receive()) is not None:
            await socket.send(message)

    server = make_shell(sockets={"/ws": session}, max_sockets=2)
    held = [server.socket("/ws") for _ in range(2)]
    for client in held:
        client.send("x")
        assert client.recv() == "x"
    third = server.socket("/ws")
    assert json.loads(third.recv())["error"]["code"] == "overloaded"
    assert closing_code(third)[0] == 1013
    held[0].close()

    def served():
        again = server.socket("/ws")
        again.send("x")
        found = again.recv() == "x"
        again.shutdown()
        return found

    eventually(served)
    held[1].shutdown()
    third.shutdown()


def test_sockets_are_counted_in_the_log(make_shell, caplog):
    async def session(socket):
        if await socket.receive() == "busy":
            raise Overloaded("x")

    caplog.set_level(logging.INFO, "access")
    server = make_shell(sockets={"/ws": session})
    for message, outcome in (("fine", "ok"), ("busy", "overloaded")):
        client = server.socket("/ws", header=["X-Request-ID: mine"])
        assert client.headers["x-request-id"] == "mine"
        client.send(message)
        client.recv_data()
        client.shutdown()
        eventually(
            lambda outcome=outcome: [
                r for r in caplog.records if getattr(r, "outcome", "") == outcome
            ]
        )
    lines = [r for r in caplog.records if r.name == "access"]
    assert [(r.getMessage(), r.outcome) for r in lines] == [
        ("WEBSOCKET /ws 101", "ok"),
        ("WEBSOCKET /ws 101", "overloaded"),
    ]


def test_when_the_server_stops_sockets_are_closed_and_the_service_is_told(make_shell):
    stopped = threading.Event()

    async def session(socket):
        await socket.receive()

    async def on_stop():
        stopped.set()

    server = make_shell(sockets={"/ws": session}, on_stop=on_stop)
    client = server.socket("/ws")
    server.stop()
    assert closing_code(client)[0] == 1012
    client.shutdown()
    assert stopped.wait(10)
