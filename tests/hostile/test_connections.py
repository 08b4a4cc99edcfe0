"""Rude and slow connections, on each port: what a bystander gets meanwhile."""

import socket
import time

import pytest
import websocket

from tests.hostile.conftest import SERVICES

pytestmark = pytest.mark.usefixtures("mesh")

HEAD = b"POST /synthesize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def half_a_head(mesh, service):
    connection = mesh.connect(service)
    connection.sendall(b"GET /livez HTTP/1.1\r\nHost: local")
    return connection


def one_byte_of_a_body(mesh, service):
    connection = mesh.connect(service)
    connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
    return connection


def lingering(mesh, service):
    connection = mesh.connect(service)
    connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    return connection


def listener_who_does_not_read(mesh, service):
    connection = mesh.connect(service)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    text = b'{"text": "' + b"A long story. " * 1000 + b'"}'
    connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(text) + text)
    return connection


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    ("rude", "count"), [(half_a_head, 300), (one_byte_of_a_body, 100), (lingering, 8)]
)
def test_rude_connections_take_nothing_from_others(mesh, held, service, rude, count):
    held.extend(rude(mesh, service) for _ in range(count))
    mesh.is_unharmed()


def test_listeners_who_do_not_read_cost_no_port(mesh, held):
    wav = mesh.synthesize()
    held.extend(listener_who_does_not_read(mesh, "gateway") for _ in range(40))
    time.sleep(0.5)
    mesh.lives()
    assert mesh.ask("/transcribe", wav, content_type="audio/wav")[0] == 200


def test_idle_sockets_count_for_nothing(mesh):
    url = f"ws://127.0.0.1:{mesh.ports['gateway']}/ws"
    sockets = [websocket.create_connection(url, timeout=10) for _ in range(200)]
    try:
        mesh.is_unharmed()
        # One more still converses.
        talker = websocket.create_connection(url, timeout=10)
        talker.send_binary(mesh.synthesize())
        assert '"transcription"' in talker.recv()
        assert talker.recv()[:4] == b"RIFF"
        talker.close()
    finally:
        for opened in sockets:
            opened.close()


def test_all_at_once_with_a_frozen_service(mesh, held):
    with mesh.frozen("agent"):
        held.extend(half_a_head(mesh, "gateway") for _ in range(300))
        held.extend(one_byte_of_a_body(mesh, "gateway") for _ in range(100))
        held.extend(lingering(mesh, "gateway") for _ in range(8))
        times = []
        for _ in range(50):
            started = time.monotonic()
            assert mesh.ask("/livez", timeout=1)[0] == 200
            times.append(time.monotonic() - started)
            mesh.synthesize()
        assert sorted(times)[-2] < 0.5, "a bound for a machine that is busy with other things"
    mesh.wait_unharmed()


def test_uploads_without_a_right_are_refused_before_their_body(mesh):
    connection = mesh.connect()
    connection.sendall(HEAD + b"Origin: http://evil.example\r\nContent-Length: 90000000\r\n\r\n")
    assert connection.recv(4096).startswith(b"HTTP/1.1 403")
    connection.close()
