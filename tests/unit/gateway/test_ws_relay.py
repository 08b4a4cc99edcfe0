"""Sockets through the gateway: what a service is told, and what a client hears when it dies."""

from __future__ import annotations

import base64
import hashlib
import json
import threading

import pytest
import websocket
from werkzeug.serving import make_server

from shared.http.client.sockets import NO_PROXY

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept(handler, frame=b""):
    """Open the service's side of a socket, send ``frame`` and drop the connection."""
    key = handler.headers["Sec-WebSocket-Key"] + _GUID
    handler.send_response(101)
    handler.send_header("Upgrade", "websocket")
    handler.send_header("Connection", "Upgrade")
    proof = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    handler.send_header("Sec-WebSocket-Accept", proof)
    handler.end_headers()
    handler.wfile.write(frame)
    handler.wfile.flush()
    handler.close_connection = True


@pytest.fixture
def connect(make_client):
    """Open a socket to a gateway on a real port."""
    clients, closing = [], []

    def make(path, headers=(), **settings):
        app = make_client(**settings).application
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        closing.append((server, thread))
        url = f"ws://127.0.0.1:{server.port}{path}"
        clients.append(
            websocket.create_connection(
                url, timeout=10, header=list(headers), suppress_origin=True, **NO_PROXY
            )
        )
        return clients[-1]

    yield make
    for client in clients:
        client.shutdown()
    for server, thread in closing:
        server.shutdown()
        thread.join()
        server.server_close()


def closing_code(client):
    opcode, data = client.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    return int.from_bytes(data[:2], "big"), data[2:].decode()


def test_a_service_gets_the_query_the_request_id_and_the_meshs_own_token(connect, service):
    service.answers["/ws"] = accept
    headers = ["X-Request-ID: mine-1", "Cookie: secret=1"]
    client = connect("/ws?stream=1&token=second", headers, api_tokens="second")
    client.recv_data()
    _, path, got, _ = service.seen[-1]
    assert path == "/ws?stream=1"
    assert got["X-Request-ID"] == "mine-1"
    assert got["Authorization"] == "Bearer second"
    assert "Cookie" not in got
    assert "Origin" not in got


def test_no_proxy_of_the_environment_is_between_gateway_and_service(connect, service, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "elsewhere.example")
    service.answers["/ws"] = accept
    connect("/ws").recv_data()
    assert service.seen[-1][1] == "/ws"


def test_a_service_that_dies_is_an_error_event_and_a_close_code(connect, service):
    service.answers["/ws"] = accept
    client = connect("/ws")
    event = json.loads(client.recv())
    assert event["error"]["code"] == "upstream_unavailable"
    assert closing_code(client) == (1011, "the service broke off")


def test_a_services_close_code_and_reason_reach_the_client(connect, service):
    reason = (4001).to_bytes(2, "big") + b"later"
    frame = bytes([0x88, len(reason)]) + reason
    service.answers["/ws/tts"] = lambda handler: accept(handler, frame)
    assert closing_code(connect("/ws/tts")) == (4001, "later")
