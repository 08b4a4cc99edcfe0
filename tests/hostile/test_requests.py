"""Odd requests and messages: an error of the right kind, and the process lives on."""

import base64
import io
import json
import os
import wave

import numpy as np
import pytest
import websocket

from tests.hostile.conftest import SERVICES

HOST = b"Host: localhost\r\n"
UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
    + base64.b64encode(os.urandom(16))
    + b"\r\n"
)


def first_line(mesh, service, data):
    connection = mesh.connect(service)
    try:
        connection.sendall(data)
        return connection.recv(65536).split(b"\r\n")[0].decode()
    finally:
        connection.close()


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /livez HTTP/1.1\r\n" + HOST + b"Origin: http://[\r\n\r\n", 403),
        (b"GET /readyz HTTP/1.1\r\nHost: rebound.example\r\n\r\n", 403),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (
            b"POST / HTTP/1.1\r\n"
            + HOST
            + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"GET /nowhere HTTP/1.1\r\n" + HOST + b"\r\n", 404),
        (b"TRACE /livez HTTP/1.1\r\n" + HOST + b"\r\n", 405),
        (b"GET /livez HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 200_000 + b"\r\n\r\n", 431),
        (b"GET /ws HTTP/1.1\r\n" + HOST + UPGRADE + b"Sec-WebSocket-Version: 8\r\n\r\n", 426),
        (b"GET /livez HTTP/1.1\r\n" + HOST + UPGRADE + b"Sec-WebSocket-Version: 13\r\n\r\n", 404),
    ],
)
def test_odd_requests_have_their_own_status(mesh, service, head, status):
    assert first_line(mesh, service, head).startswith(f"HTTP/1.1 {status} ")
    assert mesh.ask("/livez", service=service, timeout=1)[0] == 200


@pytest.mark.parametrize("service", SERVICES)
def test_a_web_page_of_somebody_else_changes_nothing(mesh, service):
    foreign = b"Origin: http://evil.example\r\n"
    for path in (b"/api/config", b"/synthesize", b"/api/converse"):
        head = b"POST " + path + b" HTTP/1.1\r\n" + HOST + foreign + b"Content-Length: 2\r\n\r\n{}"
        assert first_line(mesh, service, head).startswith("HTTP/1.1 403 ")
    for path in (b"/ws", b"/ws/tts"):
        head = b"GET " + path + b" HTTP/1.1\r\n" + HOST + foreign + UPGRADE
        head += b"Sec-WebSocket-Version: 13\r\n\r\n"
        assert first_line(mesh, service, head).startswith("HTTP/1.1 403 ")


def test_headers_of_one_caller_open_no_circuit_for_others(mesh):
    head = b"POST /synthesize HTTP/1.1\r\n" + HOST + b"X-Foo: \xa0bar\r\nAccept: \xa0\xff\r\n"
    for _ in range(5):
        first_line(mesh, "gateway", head + b"Content-Length: 2\r\n\r\n{}")
    mesh.is_unharmed()


def test_messages_that_nest_for_ever_are_the_callers_fault(mesh):
    for path in ("/ws/tts", "/ws"):
        client = websocket.create_connection(
            f"ws://127.0.0.1:{mesh.ports['gateway']}{path}", timeout=10
        )
        client.send("[" * 100_000)
        assert json.loads(client.recv())["error"]["code"] == "malformed_request"
        client.close()


def test_no_compression_of_messages_is_agreed(mesh):
    client = websocket.create_connection(
        f"ws://127.0.0.1:{mesh.ports['gateway']}/ws",
        timeout=10,
        header=["Sec-WebSocket-Extensions: permessage-deflate"],
    )
    assert "sec-websocket-extensions" not in client.getheaders()
    client.close()


@pytest.mark.parametrize("channels", [8, 16, 32, 64])
def test_recordings_of_many_channels_kill_nothing(mesh, channels):
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(channels)
        recording.setsampwidth(2)
        recording.setframerate(16_000)
        recording.writeframes(np.zeros((16_000, channels), "<i2").tobytes())
    workers = {service: mesh.worker(service) for service in SERVICES}
    for path in ("/transcribe", "/api/converse", "/transcribe?channels=separate"):
        status, answer = mesh.ask(path, file.getvalue(), content_type="audio/wav")
        assert status in (200, 415, 422), answer
    assert {service: mesh.worker(service) for service in SERVICES} == workers


def test_a_flood_on_one_socket_is_held_back(mesh):
    before = mesh.resident_mib("agent")
    client = websocket.create_connection(
        f"ws://127.0.0.1:{mesh.ports['agent']}/ws?stream=1", timeout=3
    )
    client.send_binary(mesh.synthesize())
    try:
        for _ in range(40):
            client.send_binary(bytes(20 << 20))
    except (OSError, websocket.WebSocketException):
        pass  # the socket is not read any more, or was closed
    assert mesh.resident_mib("agent") < before + 400
    client.shutdown()
    mesh.wait_unharmed()
