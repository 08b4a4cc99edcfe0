"""WebSocket routes on a real threaded server: tokens, cap, errors as events and close codes."""

import json
import logging
import threading
import time
from functools import partial

import pytest
import websocket
from prometheus_client import REGISTRY
from werkzeug.serving import make_server

from shared.core.errors import UnknownVoice
from shared.core.settings import CommonSettings
from shared.http.server.app import build_app
from shared.http.server.websocket import ws_route


@pytest.fixture
def server():
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    settings = CommonSettings(api_tokens="secret", max_requests=1)
    app = build_app("ws-test", settings, readiness=lambda: (True, {}))
    left = app.extensions["left"] = []

    @ws_route(app, "/ws/echo", max_sessions=1, summary="Echo", description="Says it again")
    def echo(socket):
        while (message := socket.receive()) is not None:
            if message == "voice":
                raise UnknownVoice("no such voice", details={"available": ["a"]})
            if message == "bug":
                raise RuntimeError("private")
            if message == "bye":
                socket.close(4000, "r" * 200)
                return
            if message == "wait":
                socket.send_json({"got": socket.receive(timeout=0.01), "closed": socket.closed})
                continue
            socket.send(message)
        left.append(socket.close_code)

    running = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"ws://127.0.0.1:{running.port}/ws/echo", app
    running.shutdown()
    thread.join()
    running.server_close()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


@pytest.fixture
def connect():
    opened = []

    def make(url, **kwargs):
        kwargs.setdefault("header", ["Authorization: Bearer secret"])
        opened.append(websocket.create_connection(url, timeout=5, **kwargs))
        return opened[-1]

    yield make
    for client in opened:
        client.shutdown()


def closing_code(client):
    opcode, data = client.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    return int.from_bytes(data[:2], "big"), data[2:].decode()


def test_text_and_binary_pass(server, connect):
    client = connect(server[0])
    client.send("hello")
    assert client.recv() == "hello"
    client.send_binary(b"\x00\x01")
    assert client.recv() == b"\x00\x01"
    client.send("wait")
    assert json.loads(client.recv()) == {"got": None, "closed": False}
    client.close()


def until(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never happened")


@pytest.mark.parametrize(("sent", "told"), [({"status": 4001}, 4001), ({}, 1000)])
def test_a_session_knows_the_code_with_which_its_peer_closed(server, connect, sent, told):
    client = connect(server[0])
    client.close(**sent)
    until(lambda: server[1].extensions["left"] == [told])


@pytest.mark.parametrize("message", ["x", "bug"])
def test_a_socket_counts_as_open_until_its_session_ends(server, connect, message):
    open_sockets = partial(REGISTRY.get_sample_value, "voice_streams_active", {"kind": "websocket"})
    before = open_sockets() or 0
    client = connect(server[0])
    client.send("wait")
    client.recv()
    assert open_sockets() == before + 1
    client.send(message)
    client.recv()
    client.close()
    until(lambda: open_sockets() == before)


@pytest.mark.parametrize(
    ("message", "code", "close"),
    [("voice", "unknown_voice", 1008), ("bug", "engine_failure", 1011)],
)
def test_an_error_is_an_event_and_a_close_code(server, connect, message, code, close):
    client = connect(server[0])
    client.send(message)
    event = json.loads(client.recv())
    assert event["error"]["code"] == code
    assert "private" not in json.dumps(event)
    assert closing_code(client)[0] == close


def test_reasons_are_cut_to_what_a_close_frame_holds(server, connect):
    client = connect(server[0])
    client.send("bye")
    assert closing_code(client) == (4000, "r" * 123)


def test_sessions_above_the_cap_are_told_and_closed(server, connect):
    first = connect(server[0])
    first.send("x")
    first.recv()
    second = connect(server[0])
    assert json.loads(second.recv())["error"]["code"] == "overloaded"
    assert closing_code(second)[0] == 1013
    first.close()
    # The place is free again.
    until(lambda: server[1].extensions["left"])
    third = connect(server[0])
    third.send("x")
    assert third.recv() == "x"


def test_a_session_takes_no_place_of_a_request(server, connect):
    session = connect(server[0])
    session.send("x")
    assert session.recv() == "x"
    for _ in range(2):
        answer = server[1].test_client().get("/openapi.json", buffered=True)
        assert answer.status_code == 200
    session.send("y")
    assert session.recv() == "y"
    session.close()


def test_a_session_opens_while_every_place_of_a_request_is_taken(server, connect):
    url, app = server
    entered, leave = threading.Event(), threading.Event()

    @app.get("/slow")
    def slow():
        entered.set()
        leave.wait(5)
        return "done"

    headers = {"Authorization": "Bearer secret"}
    client = app.test_client()
    worker = threading.Thread(target=lambda: client.get("/slow", headers=headers).close())
    worker.start()
    try:
        assert entered.wait(5)
        assert app.test_client().get("/openapi.json").status_code == 503
        session = connect(url)
        session.send("x")
        assert session.recv() == "x"
        session.close()
    finally:
        leave.set()
        worker.join(5)


@pytest.mark.parametrize(
    ("kwargs", "accepted"),
    [
        ({"header": []}, False),
        ({"header": ["Authorization: Bearer wrong"]}, False),
        ({"header": [], "subprotocols": ["voicemesh", "openai-insecure-api-key.secret"]}, True),
        ({"header": [], "suffix": "?token=secret"}, True),
    ],
)
def test_tokens_of_sockets(server, connect, kwargs, accepted):
    url = server[0] + kwargs.pop("suffix", "")
    if accepted:
        connect(url, **kwargs).close()
        return
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        connect(url, **kwargs)
    assert caught.value.status_code == 401


def test_the_specification_shows_sockets(server):
    spec = server[1].test_client().get("/openapi.json").json
    assert "101" in spec["paths"]["/ws/echo"]["get"]["responses"]
