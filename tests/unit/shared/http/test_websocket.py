"""WebSocket sessions in threads, beside a Flask application: messages, errors, places, tokens."""

import json
import threading

import pytest
import websocket

from shared.core.cancellation import client_is_gone
from shared.core.errors import UnknownVoice
from shared.http.server.app import build_app
from shared.http.server.asgi.flask_service import shell_around, ws_route
from tests.asgi_server import closing_code, eventually
from tests.unit.shared.http.conftest import settings as of_service


class Running:
    def __init__(self, serve, app, settings):
        self.app = app
        self.server = serve(shell_around(app, settings))
        self.client = self.server.client()


@pytest.fixture
def start(serve):
    def begin(**values):
        settings = of_service(**{"api_tokens": "secret", **values})
        app = build_app("ws-test", settings, readiness=lambda: (True, {}))

        @ws_route(app, "/ws/echo", summary="Echo", description="Says it again")
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

        return Running(serve, app, settings)

    return begin


@pytest.fixture
def server(start):
    return start(max_requests=1)


@pytest.fixture
def connect():
    opened = []

    def make(running, path="/ws/echo", **kwargs):
        kwargs.setdefault("header", ["Authorization: Bearer secret"])
        opened.append(running.server.socket(path, **kwargs))
        return opened[-1]

    yield make
    for client in opened:
        client.shutdown()


def test_text_and_binary_pass(server, connect):
    client = connect(server)
    client.send("hello")
    assert client.recv() == "hello"
    client.send_binary(b"\x00\x01")
    assert client.recv() == b"\x00\x01"
    for empty in ("", b""):
        (client.send if empty == "" else client.send_binary)(empty)
        assert client.recv() == empty
    client.send("wait")
    assert json.loads(client.recv()) == {"got": None, "closed": False}
    client.close()


@pytest.mark.parametrize(
    ("message", "code", "close"),
    [("voice", "unknown_voice", 1008), ("bug", "engine_failure", 1011)],
)
def test_an_error_is_an_event_and_a_close_code(server, connect, message, code, close):
    client = connect(server)
    client.send(message)
    event = json.loads(client.recv())
    assert event["error"]["code"] == code
    assert "private" not in json.dumps(event)
    assert closing_code(client)[0] == close


def test_reasons_are_cut_to_what_a_close_frame_holds(server, connect):
    client = connect(server)
    client.send("bye")
    assert closing_code(client) == (4000, "r" * 123)


def test_sockets_above_the_cap_are_told_and_closed(start, connect):
    server = start(max_sockets=1)
    first = connect(server)
    first.send("x")
    first.recv()
    second = connect(server)
    assert json.loads(second.recv())["error"]["code"] == "overloaded"
    assert closing_code(second)[0] == 1013
    first.send("x")
    assert first.recv() == "x"
    first.close()


def test_idle_sockets_take_no_place_of_those_that_are_spoken_to(start, connect):
    server = start(max_sessions=1, max_sockets=8)
    for client in [connect(server) for _ in range(8)]:
        client.send("x")
        assert client.recv() == "x"


def test_a_session_takes_no_place_of_a_request(server, connect):
    session = connect(server)
    session.send("x")
    assert session.recv() == "x"
    for _ in range(2):
        eventually(lambda: server.client.get("/openapi.json").status_code == 200)
    session.send("y")
    assert session.recv() == "y"
    session.close()


def test_a_session_opens_while_every_place_of_a_request_is_taken(server, connect):
    entered, leave = threading.Event(), threading.Event()

    @server.app.get("/slow")
    def slow():
        entered.set()
        leave.wait(5)
        return "done"

    headers = {"Authorization": "Bearer secret"}
    worker = threading.Thread(target=lambda: server.client.get("/slow", headers=headers))
    worker.start()
    try:
        assert entered.wait(5)
        assert server.client.get("/openapi.json").status_code == 503
        session = connect(server)
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
        ({"header": [], "path": "/ws/echo?token=secret"}, True),
        ({"header": [], "path": "/ws/echo?token=wrong"}, False),
    ],
)
def test_tokens_of_sockets(server, connect, kwargs, accepted):
    if accepted:
        connect(server, **kwargs).close()
        return
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        connect(server, **kwargs)
    assert caught.value.status_code == 401


def test_a_plain_request_to_a_socket_is_told_so(server):
    answer = server.client.get("/ws/echo", headers={"Authorization": "Bearer secret"})
    assert answer.status_code == 426
    assert answer.headers["Upgrade"] == "websocket"
    assert answer.json["error"]["code"] == "upgrade_required"


def test_a_socket_to_an_ordinary_path_is_told_so(server, connect):
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        connect(server, "/openapi.json")
    assert caught.value.status_code == 404


def test_the_specification_shows_sockets(server):
    spec = server.client.get("/openapi.json").json
    assert "101" in spec["paths"]["/ws/echo"]["get"]["responses"]


def test_a_session_sees_the_query_and_knows_when_its_peer_has_gone(serve):
    settings = of_service()
    app = build_app("ws-test", settings, readiness=lambda: (True, {}))
    found, gone = [], threading.Event()

    @ws_route(app, "/ws", summary="Watches")
    def watch(socket):
        found.extend([dict(socket.query), client_is_gone(), socket.is_gone()])
        socket.send("ready")
        eventually(client_is_gone)
        found.extend([socket.is_gone(), socket.receive(), socket.closed, socket.close_code])
        with pytest.raises(OSError, match="closed"):
            socket.send("too late")
        gone.set()

    client = serve(shell_around(app, settings)).socket("/ws?stream=1&language=es")
    assert client.recv() == "ready"
    client.send_close(4001, b"enough")
    assert gone.wait(10)
    client.shutdown()
    assert found == [{"stream": "1", "language": "es"}, False, False, True, None, True, 4001]


def test_too_large_a_message_closes_the_socket(serve):
    settings = of_service(max_body_bytes=2048)
    app = build_app("ws-test", settings, readiness=lambda: (True, {}))

    @ws_route(app, "/ws", summary="Reads")
    def read(socket):
        while socket.receive() is not None:
            pass

    client = serve(shell_around(app, settings), max_message=2048).socket("/ws")
    client.send_binary(b"x" * 2048)
    client.send_binary(b"x" * 2049)
    assert closing_code(client)[0] == 1009
    client.shutdown()
