"""``/ws/tts`` on a real port, with the client library of the examples."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import websocket
from flask import Flask

from tests.asgi_server import AsgiServer, closing_code, eventually
from tests.unit.tts_service.conftest import (
    AppFactory,
    data_length,
    engine_of_rate,
    samples_of,
    service_of,
)
from tts_service.engines.fake import FakeEngine

Connect = Callable[[Flask], websocket.WebSocket]


@pytest.fixture
def connect(serve: Callable[..., AsgiServer]) -> Iterator[Connect]:
    opened: list[websocket.WebSocket] = []
    servers: dict[int, AsgiServer] = {}

    def make(app: Flask) -> websocket.WebSocket:
        if id(app) not in servers:
            servers[id(app)] = serve(app)
        opened.append(servers[id(app)].socket("/ws/tts"))
        return opened[-1]

    yield make
    for client in opened:
        client.shutdown()


def ask(client: websocket.WebSocket, request: object) -> tuple[list[bytes], list[dict[str, Any]]]:
    client.send(request if isinstance(request, str) else json.dumps(request))
    return collect(client)


def collect(client: websocket.WebSocket) -> tuple[list[bytes], list[dict[str, Any]]]:
    """Binary messages and events up to the end or an error, as the documented client reads."""
    audio: list[bytes] = []
    events: list[dict[str, Any]] = []
    while True:
        message = client.recv()
        if isinstance(message, bytes):
            audio.append(message)
            continue
        events.append(json.loads(message))
        if events[-1].get("event") == "end" or "error" in events[-1]:
            return audio, events


def test_several_requests_on_one_socket(make_app: AppFactory, connect: Connect) -> None:
    client = connect(make_app())
    audio, events = ask(client, {"text": "One. Two.", "language": "es"})
    assert len(audio) == 2
    wav = b"".join(audio)
    assert data_length(wav) == 0xFFFFFFFF
    assert samples_of(wav).size > 1000
    assert events[0]["event"] == "start"
    assert (events[0]["sample_rate"], events[0]["language"]) == (24_000, "es")
    assert events[-1]["event"] == "end"
    bare, _ = ask(client, {"text": "One. Two.", "language": "es", "format": "pcm"})
    assert b"".join(bare) == wav[44:]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"text": ""}, "invalid_request"),
        ({"text": "hi", "voice": "nobody"}, "unknown_voice"),
        ({"text": "?!"}, "unspeakable_text"),
        ("no json", "malformed_request"),
        ("[1]", "malformed_request"),
        ("[" * 50_000, "malformed_request"),
    ],
)
def test_a_refused_request_leaves_the_socket_open(
    make_app: AppFactory, connect: Connect, request_: object, code: str
) -> None:
    client = connect(make_app())
    audio, events = ask(client, request_)
    assert audio == []
    assert events[-1]["error"]["code"] == code
    assert ask(client, {"text": "Hello."})[1][-1]["event"] == "end"


def test_a_failure_in_mid_answer_closes_the_socket(make_app: AppFactory, connect: Connect) -> None:
    client = connect(make_app(FakeEngine(fails_after=1)))
    audio, events = ask(client, {"text": "One. Two."})
    assert len(audio) == 1
    assert events[-1]["error"]["code"] == "engine_failure"
    assert closing_code(client)[0] == 1011


def test_a_client_that_leaves_frees_its_place(make_app: AppFactory, connect: Connect) -> None:
    gate = threading.Semaphore(1)
    engine = FakeEngine(max_concurrency=1, gate=gate)
    app = make_app(engine, queue_limit=0)
    client = connect(app)
    client.send(json.dumps({"text": "One. Two. Three. Four. Five. Six.", "format": "pcm"}))
    client.recv()
    client.recv()
    client.shutdown()
    # Every further piece meets a closed socket sooner or later; then the place is free.
    service = service_of(app)
    for _ in range(6):
        gate.release()
    admitted = threading.Event()

    def wait_for_a_place() -> None:
        while not admitted.is_set():
            try:
                with service.host.lease(engine):
                    admitted.set()
            except Exception:
                admitted.wait(0.02)

    waiter = threading.Thread(target=wait_for_a_place)
    waiter.start()
    waiter.join(10)
    assert admitted.is_set()


def test_the_end_says_which_engine_went_on(make_app: AppFactory, connect: Connect) -> None:
    client = connect(make_app(FakeEngine("one", fails_after=1), FakeEngine("two")))
    _, events = ask(client, {"text": "One. Two. Three."})
    assert events[0]["engine"] == "one"
    assert "fallback" not in events[0]
    assert events[-1]["event"] == "end"
    assert events[-1]["fallback"] == "one; reason=engine_failure"
    assert events[-1]["engine"] == "two"
    assert "language" not in events[-1]


def test_only_sockets_that_are_spoken_to_count(make_app: AppFactory, connect: Connect) -> None:
    gate = threading.Semaphore(1)
    app = make_app(FakeEngine(gate=gate), max_sessions=1)
    idle, speaking, other = (connect(app) for _ in range(3))
    speaking.send(json.dumps({"text": "One. Two. Three."}))
    assert json.loads(speaking.recv())["event"] == "start"
    _, events = ask(other, {"text": "Hello."})
    assert events[-1]["error"]["code"] == "overloaded"
    for _ in range(8):
        gate.release()
    assert collect(speaking)[1][-1]["event"] == "end"
    # The socket that was refused is still open, and the idle ones have kept nobody out.
    for client in (other, idle, speaking):
        eventually(lambda c=client: ask(c, {"text": "Hello."})[1][-1].get("event") == "end")


def test_a_client_that_leaves_in_mid_answer_frees_its_session(
    make_app: AppFactory, connect: Connect
) -> None:
    gate = threading.Semaphore(1)
    app = make_app(FakeEngine(gate=gate), max_sessions=1)
    leaving = connect(app)
    leaving.send(json.dumps({"text": "One. Two. Three. Four.", "format": "pcm"}))
    leaving.recv()
    leaving.shutdown()
    for _ in range(20):
        gate.release()
    client = connect(app)
    eventually(lambda: ask(client, {"text": "Hello."})[1][-1].get("event") == "end")


@pytest.mark.parametrize(("container", "rate"), [("pcm", 24_000), ("wav", 22_050)])
def test_the_start_says_the_rate_of_what_is_sent(
    make_app: AppFactory, connect: Connect, container: str, rate: int
) -> None:
    client = connect(make_app(engine_of_rate(22_050)))
    _, (start, end) = ask(client, {"text": "Hello there.", "format": container})
    assert (start["sample_rate"], end["event"]) == (rate, "end")
    assert "sample_rate" not in end
