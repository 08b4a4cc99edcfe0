"""What the worker's connections do before and after a request: heads, refused bodies, keeping."""

from __future__ import annotations

import contextlib
import time

import pytest

from shared.http.server.asgi import worker
from tests.asgi_server import read_to_end, read_until

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(worker, "HEAD_S", 0.4)


def ended_within(connection, seconds):
    """Whether the server ends the connection, and what it said."""
    connection.settimeout(seconds)
    try:
        return True, read_to_end(connection)
    except TimeoutError:
        return False, b""


@pytest.mark.parametrize("part", [b"", b"\r\n", b"GET / HT", HEAD, HEAD + b"X-Half: "])
def test_a_head_that_does_not_end_is_dropped(make_shell, quick, part):
    with make_shell().raw() as client:
        client.sendall(part)
        started = time.monotonic()
        assert ended_within(client, 5) == (True, b"")
        assert time.monotonic() - started >= 0.3


def test_a_head_that_trickles_is_dropped(make_shell, quick):
    with make_shell().raw() as client:
        started = time.monotonic()
        client.sendall(HEAD)
        try:
            while time.monotonic() - started < 5:
                client.sendall(b"X: 1\r\n")
                time.sleep(0.05)
        except OSError:
            pass
        assert time.monotonic() - started < 4


def test_a_later_head_on_a_kept_connection_is_dropped_too(make_shell, quick):
    with make_shell().raw() as client:
        client.sendall(HEAD + b"\r\n")
        read_until(client, b"hello")
        time.sleep(0.6)
        # A connection that is kept may be idle for longer than a head may take.
        client.sendall(HEAD + b"\r\n")
        read_until(client, b"hello")
        client.sendall(HEAD)
        assert ended_within(client, 5) == (True, b"")


def test_bytes_between_requests_do_not_keep_a_connection_for_ever(serve, make_shell, quick):
    server = make_shell(keep_alive_s=1)
    with server.raw() as client:
        client.sendall(HEAD + b"\r\n")
        read_until(client, b"hello")
        client.sendall(b"\r\n")
        assert ended_within(client, 5)[0], "an idle connection lasts"


def test_an_idle_connection_is_closed(make_shell):
    with make_shell(keep_alive_s=1).raw() as client:
        client.sendall(HEAD + b"\r\n")
        read_until(client, b"hello")
        assert ended_within(client, 5)[0]


def test_a_body_may_take_longer_than_a_head(make_shell, quick):
    with make_shell().raw() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n")
        for _ in range(4):
            time.sleep(0.2)
            client.sendall(b"x")
        assert b"hello" in read_until(client, b"hello")


def test_an_answer_may_take_longer_than_a_head(make_shell, quick):
    import asyncio

    async def slow(scope, receive, send):
        await asyncio.sleep(0.8)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"late"})

    assert make_shell(slow).client().get("/").text == "late"


def test_a_socket_may_be_silent_for_longer_than_a_head(make_shell, quick):
    async def echo(socket):
        while (message := await socket.receive()) is not None:
            await socket.send(message)

    client = make_shell(sockets={"/ws": echo}).socket("/ws")
    time.sleep(0.8)
    client.send("still here")
    assert client.recv() == "still here"
    client.close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        HEAD + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
        HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)) + b"\r\n",
    ],
    ids=["path", "header", "headers"],
)
def test_a_head_that_is_too_large_is_refused(make_shell, head):
    reached = []

    async def app(scope, receive, send):
        reached.append(len(scope["path"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    server = make_shell(app)
    with server.raw() as client:
        with contextlib.suppress(OSError):
            client.sendall(head)
        _, answer = ended_within(client, 5)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
    assert reached == []
    with server.raw() as client:
        # In pieces that arrive one by one, the answer is there to be read.
        sent = 0
        while sent < worker.HEAD_BYTES + 5_000:
            client.sendall(head[sent : sent + 5_000])
            sent += 5_000
            time.sleep(0.005)
        assert ended_within(client, 5)[1].startswith(b"HTTP/1.1 431 ")


def test_a_head_of_some_size_passes(make_shell):
    client = make_shell().client()
    assert client.get("/", headers={"X": "y" * 30_000}).text == "hello"


def test_a_large_body_behind_a_head_is_no_large_head(make_shell):
    with make_shell().raw() as client:
        for _ in range(3):
            client.sendall(
                b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n"
                + bytes(200_000)
            )
            assert read_until(client, b"hello").startswith(b"HTTP/1.1 200")


def test_the_rest_of_a_refused_body_is_read_for_a_while_only(make_shell, monkeypatch):
    monkeypatch.setattr(worker, "LINGER_S", 0.3)
    with make_shell(max_body_bytes=1024).raw() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n")
        assert b" 413 " in read_until(client, b"too_large")
        started = time.monotonic()
        try:
            while time.monotonic() - started < 5:
                client.sendall(bytes(1000))
                time.sleep(0.02)
        except OSError:
            pass
        assert time.monotonic() - started < 4


def test_a_refused_body_that_ends_soon_keeps_the_connection(make_shell):
    with make_shell(max_body_bytes=1024).raw() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000\r\n\r\n")
        assert b" 413 " in read_until(client, b"too_large")
        client.sendall(bytes(2000) + HEAD + b"\r\n")
        assert b" 200 " in read_until(client, b"hello")


@pytest.mark.parametrize(
    "request_",
    [b"nonsense\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"GET  / HTTP/1.1\r\nHost\r\n\r\n"],
)
def test_what_is_no_http_is_a_400(make_shell, request_):
    with make_shell().raw() as client:
        client.sendall(request_)
        ended, answer = ended_within(client, 5)
        assert ended
        assert b" 400 " in answer


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 5_0\r\n",
    ],
)
def test_lengths_that_two_servers_could_read_differently_are_refused(make_shell, headers):
    reached = []

    async def app(scope, receive, send):
        reached.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    with make_shell(app).raw() as client:
        client.sendall(
            b"POST /first HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n0\r\n\r\n"
            b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        ended_within(client, 2)
    assert "/smuggled" not in reached
