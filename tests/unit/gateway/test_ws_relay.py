"""WebSockets through the gateway: messages, closes, and services that break off or fall silent."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time

import pytest
import websocket
from websockets.frames import CloseCode
from websockets.server import ServerProtocol
from websockets.sync.server import serve as serve_websocket

from gateway import ws_relay
from shared.core.settings import CommonSettings
from shared.http.server.asgi.shell import Shell
from tests.asgi_server import AsgiServer, closing_code, eventually
from tests.unit.gateway.conftest import DEAD
from tests.unit.shared.http.conftest import hello


class Service:
    """A service's WebSocket: what it got, and how it was closed."""

    def __init__(self, **settings):
        self.queries, self.closes, self.got = [], [], []
        sockets = {"/ws": self._session, "/ws/tts": self._session}
        settings = CommonSettings(_env_file=None, **settings)
        self.server = AsgiServer(Shell(hello, settings, sockets=sockets))
        self.url = self.server.url

    async def _session(self, client):
        self.queries.append(client.query.multi_items())
        while (message := await client.receive()) is not None:
            self.got.append(message)
            if message == "bye":
                await client.close(4321, "told to")
                return
            await client.send(message)
        self.closes.append((client.close_code, client.close_reason))


@pytest.fixture
def start():
    running = []

    def begin(**settings):
        running.append(Service(**settings))
        return running[-1]

    yield begin
    for service in running:
        service.server.close()


@pytest.fixture
def connect(make_gateway):
    opened = []

    def make(url, path="/ws", options=None, **settings):
        gateway = make_gateway(agent_url=url, tts_url=url, **settings)
        opened.append(gateway.socket(path, **(options or {})))
        return opened[-1]

    yield make
    for client in opened:
        client.shutdown()


def bare_service(session):
    """A service of the library ``websockets``, with ``session(connection)``; address and stop."""
    server = serve_websocket(session, "127.0.0.1", 0, ping_interval=None, close_timeout=0.2)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    port = server.socket.getsockname()[1]

    def stop():
        server.shutdown()
        thread.join()

    return f"http://127.0.0.1:{port}", stop


def test_messages_of_every_kind_and_size_pass(start, connect):
    client = connect(start().url)
    for message in ("", "text é", "x" * 300_000):
        client.send(message)
        assert client.recv() == message
    for data in (b"", b"\x00\xff", bytes(2 << 20)):
        client.send_binary(data)
        assert client.recv() == data


def test_each_path_has_its_service_and_the_query_goes_along_without_the_token(start, make_gateway):
    speech, agent = start(), start()
    gateway = make_gateway(tts_url=speech.url, agent_url=agent.url)
    for path, service in (("/ws/tts", speech), ("/ws", agent)):
        client = gateway.socket(f"{path}?a=1&token=secret&a=%20b&c=")
        client.send("x")
        client.recv()
        client.shutdown()
        assert service.queries == [[("a", "1"), ("a", " b"), ("c", "")]]


def test_the_service_gets_the_token_of_the_mesh(start, connect):
    client = connect(
        start(api_tokens="one, two").url,
        options={"header": ["Authorization: Bearer two"]},
        api_tokens="one, two",
    )
    client.send("x")
    assert client.recv() == "x"


def test_a_close_of_the_service_arrives_with_code_and_reason(start, connect):
    client = connect(start().url)
    client.send("bye")
    assert closing_code(client) == (4321, "told to")


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "leaving"), (4000, "é" * 50), (1011, "x")]
)
def test_a_close_of_the_client_arrives_with_code_and_reason(start, connect, code, reason):
    service = start()
    client = connect(service.url)
    client.send("x")
    client.recv()
    client.send_close(code, reason.encode())
    eventually(lambda: service.closes)
    assert service.closes == [(code, reason)]


def test_a_client_that_is_cut_off_ends_the_session_in_the_service(start, connect):
    service = start()
    client = connect(service.url)
    client.send("x")
    client.recv()
    client.sock.close()
    client.sock = None
    eventually(lambda: service.closes)
    assert service.closes[0][0] in (1000, 1001)


@pytest.mark.parametrize("code", [None, CloseCode.GOING_AWAY, CloseCode.TRY_AGAIN_LATER])
def test_closes_with_and_without_a_code(connect, code):
    def session(connection):
        if code is None:
            # A close frame without a body, which the library does not send by itself.
            connection.socket.sendall(b"\x88\x00")
            connection.socket.settimeout(5)
            return
        connection.close(code, "so")

    url, stop = bare_service(session)
    try:
        found = closing_code(connect(url))
    finally:
        stop()
    assert found[0] == (1000 if code is None else code)
    assert found[1] == ("" if code is None else "so")


def test_a_service_that_is_away_is_told_and_closed(connect):
    client = connect(DEAD)
    assert json.loads(client.recv())["error"]["code"] == "upstream_unavailable"
    assert closing_code(client)[0] == 1011


def test_a_replica_that_refuses_is_passed_over(start, connect):
    full = start(max_sockets=1)
    service = start(api_tokens="t")
    # This one wants a token that the gateway has not.
    client = connect(f"{DEAD},{service.url},{full.url}")
    client.send("x")
    assert client.recv() == "x"
    assert service.queries == []


def test_a_service_that_breaks_off_is_an_error_and_no_ordinary_close(connect):
    def session(connection):
        connection.send("half an answer")
        connection.socket.shutdown(socket.SHUT_RDWR)

    url, stop = bare_service(session)
    try:
        client = connect(url)
        assert client.recv() == "half an answer"
        assert json.loads(client.recv())["error"]["code"] == "upstream_unavailable"
        assert closing_code(client)[0] == 1011
    finally:
        stop()


class Frozen:
    """Accepts a WebSocket, then reads and answers nothing at all."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._held = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._held.append(connection)
            protocol = ServerProtocol()
            while not (events := protocol.events_received()):
                protocol.receive_data(connection.recv(4096))
            protocol.send_response(protocol.accept(events[0]))
            connection.sendall(b"".join(protocol.data_to_send()))

    def thaw(self):
        """Die, so that the gateway need not wait for it at its own end."""
        while self._held:
            self._held.pop().close()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.thaw()


@pytest.fixture
def frozen():
    made = Frozen()
    yield made
    made.close()


def test_a_service_that_answers_no_ping_ends_the_session(frozen, connect, monkeypatch):
    monkeypatch.setattr(ws_relay, "PING_S", 0.4)
    client = connect(frozen.url)
    started = time.monotonic()
    assert json.loads(client.recv())["error"]["code"] == "upstream_unavailable"
    assert closing_code(client)[0] == 1011
    assert time.monotonic() - started < 5


def test_a_service_that_is_quiet_but_alive_keeps_the_session(start, connect, monkeypatch):
    monkeypatch.setattr(ws_relay, "PING_S", 0.2)
    client = connect(start().url)
    time.sleep(1)
    client.send("x")
    assert client.recv() == "x"


@pytest.fixture
def logged():
    """Every line of the log; the gateway replaces the handlers of the root."""
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    loggers = [logging.getLogger(name) for name in ("access", "shared", "gateway")]
    for logger in loggers:
        logger.addHandler(handler)
    yield records
    for logger in loggers:
        logger.removeHandler(handler)


def test_leaving_a_frozen_service_is_no_error_of_the_gateway(frozen, connect, monkeypatch, logged):
    client = connect(frozen.url)
    # Patched now: a connection may take its time.
    monkeypatch.setattr(ws_relay, "HANDSHAKE_S", 0.3)
    client.send_close(1000)
    eventually(lambda: [r for r in logged if r.name == "access"])
    assert [r.outcome for r in logged if r.name == "access"] == ["ok"]
    assert "unexpected error" not in [r.getMessage() for r in logged]


def test_a_frozen_service_does_not_take_in_what_a_client_floods(frozen, connect):
    client = connect(frozen.url)
    client.settimeout(1)
    part, sent = bytes(1 << 16), 0
    try:
        while sent < 2000:
            client.send_binary(part)
            sent += 1
    except (OSError, websocket.WebSocketTimeoutException):
        pass
    frozen.thaw()
    assert sent < 1000, "64 MB were taken in that nobody reads"


def test_a_service_that_does_not_read_ends_the_session(frozen, connect, monkeypatch):
    monkeypatch.setattr(ws_relay, "SEND_S", 0.5)
    client = connect(frozen.url)
    part = bytes(1 << 20)
    for _ in range(24):
        client.send_binary(part)
    told = json.loads(client.recv()), closing_code(client)
    frozen.thaw()
    assert told[0]["error"]["code"] == "upstream_unavailable"
    assert told[1][0] == 1011
