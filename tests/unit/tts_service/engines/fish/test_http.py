"""The connection to a Fish server that misbehaves in every way it can."""

from __future__ import annotations

import email.utils
import logging
import threading
import time

import pytest
import requests
from prometheus_client import REGISTRY

from shared.audio.wav import HEADER_BYTES
from shared.core.cancellation import watching
from shared.core.errors import (
    ClientGone,
    MeshError,
    RateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.fish_server import KEY, Answer, FishServer
from tests.unit.tts_service.engines.fish.conftest import Make, asking, speak
from tts_service.engines.fish.engine import FishEngine
from tts_service.engines.fish.http import _retry_after

SECRET = "A text that nobody else may read."
QUICK = {"fish_first_audio_timeout_s": 0.8, "fish_gap_timeout_s": 0.5}


def outcome(engine: FishEngine, code: str) -> float:
    labels = {"engine": engine.spec.name, "outcome": code}
    return REGISTRY.get_sample_value("voice_remote_calls_total", labels) or 0.0


def failure(engine: FishEngine) -> MeshError:
    with pytest.raises(MeshError) as caught:
        speak(engine, SECRET)
    return caught.value


@pytest.mark.parametrize(
    ("fault", "cls", "code"),
    [
        ("drop", UpstreamUnavailable, "connection_lost"),
        ("hang", UpstreamTimeout, "no_answer"),
        ("hang_after_header", UpstreamTimeout, "no_answer"),
        ("stall", UpstreamTimeout, "stalled"),
        ("cut", UpstreamUnavailable, "cut"),
        ("empty", UpstreamUnavailable, "empty_audio"),
        ("header_only", UpstreamUnavailable, "empty_audio"),
        ("html", UpstreamUnavailable, "not_audio"),
        ("other_wav", UpstreamUnavailable, "not_audio"),
    ],
)
def test_faults(server: FishServer, make: Make, fault, cls: type, code: str) -> None:
    engine = make(server, **QUICK)
    before = outcome(engine, code)
    server.script.append(Answer(fault))
    raised = failure(engine)
    assert type(raised) is cls
    assert raised.code == code
    assert outcome(engine, code) == before + 1
    assert speak(engine, SECRET).size, "one failure does not open the circuit"


@pytest.mark.parametrize(
    ("status", "cls", "code"),
    [
        (302, UpstreamUnavailable, "http_3xx"),
        (400, UpstreamUnavailable, "http_400"),
        (401, UpstreamUnavailable, "http_401"),
        (402, UpstreamUnavailable, "http_402"),
        (403, UpstreamUnavailable, "http_403"),
        (404, UpstreamUnavailable, "http_404"),
        (418, UpstreamUnavailable, "http_4xx"),
        (422, UpstreamUnavailable, "http_422"),
        (429, RateLimited, "http_429"),
        (500, UpstreamUnavailable, "http_500"),
        (503, UpstreamUnavailable, "http_503"),
        (599, UpstreamUnavailable, "http_5xx"),
    ],
)
def test_refusals(server: FishServer, make: Make, status: int, cls: type, code: str) -> None:
    engine = make(server)
    server.script.append(Answer(status=status, headers={"Location": f"{server.url}/v1/tts"}))
    raised = failure(engine)
    assert type(raised) is cls
    assert raised.code == code
    assert len(server.received) == 1, "nothing is sent twice, and no redirect followed"


def test_a_server_that_is_not_there(server: FishServer, make: Make) -> None:
    engine = make(server)
    server.stop()
    raised = failure(engine)
    assert isinstance(raised, UpstreamUnavailable)
    assert raised.code == "connection_refused"


def test_a_name_that_does_not_exist(api: FishServer, make: Make) -> None:
    raised = failure(make(api, fish_api_url="http://no-such-host.invalid"))
    assert raised.code == "unreachable"


def test_a_connection_that_is_not_secure(api: FishServer, make: Make) -> None:
    """A key goes to nobody who cannot show whom it is talking to."""
    raised = failure(make(api, fish_api_url=api.url.replace("http:", "https:")))
    assert raised.code == "tls_failure"
    assert not api.received


def test_a_network_that_swallows_packets(api: FishServer, make: Make) -> None:
    engine = make(api)

    def swallowed(*_: object, **__: object) -> None:
        raise requests.ConnectTimeout

    engine._connection._session.post = swallowed  # type: ignore[method-assign,assignment]
    raised = failure(engine)
    assert isinstance(raised, UpstreamTimeout)
    assert raised.code == "connect_timeout"


def test_neither_key_nor_text_is_told(
    server: FishServer, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    engine = make(server)
    for answer in (Answer(status=500), Answer("cut"), Answer(status=401), Answer("html")):
        server.script.append(answer)
        raised = failure(engine)
        told = f"{raised} {raised.body()} {raised!r} {caplog.text}"
        assert SECRET not in told
        assert KEY not in told
    assert KEY not in repr(engine.__dict__)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("0", None), ("-3", None), ("soon", None), ("", None), ("86400", 300.0)],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert _retry_after(value) == seconds


def test_retry_after_as_a_date() -> None:
    at = email.utils.formatdate(time.time() + 30, usegmt=True)
    assert _retry_after(at) == pytest.approx(30, abs=3)
    assert _retry_after(email.utils.formatdate(time.time() - 30, usegmt=True)) is None


def test_too_many_requests_say_when_to_come_back(api: FishServer, make: Make) -> None:
    engine = make(api)
    api.script.append(Answer(status=429, headers={"Retry-After": "120"}))
    assert failure(engine).retry_after == 120
    waiting = failure(engine)
    assert waiting.code == "circuit_open", "it is not asked again before then"
    assert waiting.retry_after == pytest.approx(120, abs=5)
    assert len(api.received) == 1


def test_a_slow_answer_is_heard_to_its_end(server: FishServer, make: Make) -> None:
    """The limit is for each wait, not for the whole."""
    engine = make(server, **QUICK)
    gate = threading.Semaphore(0)
    server.script.append(Answer(gate=gate))
    done = threading.Event()

    def drip() -> None:
        while not done.wait(0.02):
            gate.release()

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        slow = speak(engine, SECRET)
    finally:
        done.set()
        thread.join()
    assert slow.size == speak(engine, SECRET).size


def test_a_trickle_without_end_is_ended(server: FishServer, make: Make) -> None:
    engine = make(server, fish_sentence_timeout_s=0.4)
    gate = threading.Semaphore(0)
    server.script.append(Answer(gate=gate))
    done = threading.Event()

    def drip() -> None:
        while not done.wait(0.05):
            gate.release()

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        assert failure(engine).code == "stalled"
    finally:
        done.set()
        thread.join()
        for _ in range(1000):
            gate.release()


@pytest.mark.parametrize("when", ["hang", "hang_after_header", "stall"])
def test_a_listener_who_leaves_ends_the_request(server: FishServer, make: Make, when: str) -> None:
    engine = make(server)
    server.script.append(Answer(when))
    gone = threading.Event()
    threading.Timer(0.2, gone.set).start()
    with watching(gone.is_set), pytest.raises(ClientGone):
        speak(engine, SECRET)
    assert outcome(engine, "client_closed") >= 1


def test_closing_between_sentences_asks_for_no_more(server: FishServer, make: Make) -> None:
    engine = make(server)
    stream = engine.synthesize(asking(engine, "One.", "Two.", "Three."))
    assert next(iter(stream)).size
    stream.close()
    assert server.texts() == ["One."]


def test_what_goes_over_the_wire(api: FishServer, make: Make) -> None:
    speak(make(api, fish_model="s1"), "Hello.")
    (request,) = api.received
    assert request.path == "/v1/tts"
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["model"] == "s1"
    assert request.headers["Content-Type"] == "application/msgpack"
    assert request.body == {"text": "Hello.", "format": "wav", "sample_rate": 24000}


def test_netrc_does_not_replace_the_key(
    api: FishServer, make: Make, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert speak(make(api)).size


def test_a_listener_who_takes_time_between_two_parts_is_not_a_silent_server(
    server: FishServer, make: Make
) -> None:
    engine = make(server, **QUICK)
    parts = engine._connection.speak(engine._whole_body("Hello.", asking(engine), 1.0))
    got = b""
    while len(got) <= HEADER_BYTES:
        got += next(parts)
    time.sleep(1.0)
    whole = got + b"".join(parts)
    assert whole == b"".join(
        engine._connection.speak(engine._whole_body("Hello.", asking(engine), 1.0))
    )
    assert len(whole) > len(got)
