"""Bodies arrive whole, within limits of size and time, or not at all."""

import asyncio
import contextlib
import io
from tempfile import SpooledTemporaryFile

import pytest

from shared.core.errors import ClientGone, MalformedRequest, RequestTimedOut, TooLarge
from shared.http.server.asgi import request_body
from shared.http.server.asgi.request_body import declared_length, receive_body
from tests.asgi_server import read_to_end


def receive(*parts, headers=(), limit=100, pause_s=0.0):
    """The body of a request that comes in ``parts``; None is a client that leaves."""
    left = list(parts)

    async def next_part():
        await asyncio.sleep(pause_s)
        if not left:
            await asyncio.sleep(60)
        part = left.pop(0)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    return asyncio.run(receive_body(next_part, list(headers), limit))


def declared(length):
    return [(b"host", b"h"), (b"content-length", str(length).encode())]


@pytest.mark.parametrize("parts", [[b""], [b"whole"], [b"wh", b"", b"ole"]])
@pytest.mark.parametrize("known", [True, False])
def test_a_body_is_put_together(parts, known):
    whole = b"".join(parts)
    body = receive(*parts, headers=declared(len(whole)) if known else ())
    assert body.tell() == 0
    assert body.read() == whole
    body.close()


def test_small_bodies_stay_in_memory_and_large_ones_do_not(monkeypatch):
    monkeypatch.setattr(request_body, "IN_MEMORY", 10)
    with receive(b"x" * 10, headers=declared(10)) as small:
        assert isinstance(small, io.BytesIO)
    with receive(b"x" * 6, b"y" * 6) as unknown:
        assert isinstance(unknown, SpooledTemporaryFile)
        assert unknown.read() == b"xxxxxxyyyyyy"
        assert unknown.fileno()
    with receive(b"x" * 11, headers=declared(11)) as large:
        assert large.fileno()


def test_a_declared_size_above_the_limit_is_refused_before_anything_is_read():
    with pytest.raises(TooLarge):
        receive(headers=declared(101))
    receive(b"x" * 100, headers=declared(100)).close()


def test_a_body_above_the_limit_is_refused_where_it_crosses_it():
    with pytest.raises(TooLarge):
        receive(b"x" * 60, b"x" * 60, b"never read")
    receive(b"x" * 60, b"x" * 40).close()


@pytest.mark.parametrize("value", [b"many", b"-1", b"1.5", b"", b"0x10"])
def test_a_length_that_is_none(value):
    with pytest.raises(MalformedRequest):
        declared_length([(b"content-length", value)])
    assert declared_length([(b"host", b"1")]) is None


def test_a_client_that_leaves():
    with pytest.raises(ClientGone):
        receive(b"half", None)


def test_a_client_that_pauses(monkeypatch):
    monkeypatch.setattr(request_body, "IDLE_S", 0.05)
    with pytest.raises(RequestTimedOut):
        receive(b"half", b"", pause_s=0.2)


def test_a_client_that_trickles(monkeypatch):
    monkeypatch.setattr(request_body, "GRACE_S", 0.2)
    monkeypatch.setattr(request_body, "SLOWEST", 1000)
    with pytest.raises(RequestTimedOut):
        receive(*[b"x"] * 50, pause_s=0.02)
    # What comes quickly enough may take its time.
    receive(*[b"x" * 100] * 20, limit=10_000, pause_s=0.02).close()


def test_nothing_of_a_refused_body_is_kept(monkeypatch):
    made = []

    def remember(*arguments):
        made.append(SpooledTemporaryFile(*arguments))  # noqa: SIM115 - closed by the code under test
        return made[-1]

    monkeypatch.setattr(request_body, "SpooledTemporaryFile", remember)
    with pytest.raises(TooLarge):
        receive(b"x" * 60, b"x" * 60)
    assert made[0].closed


def test_on_a_port(make_shell, monkeypatch):
    async def size(scope, receive, send):
        told = str(len(scope["body"].read())).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": told})

    monkeypatch.setattr(request_body, "IDLE_S", 0.3)
    server = make_shell(size, max_body_bytes=300_000)
    client = server.client()
    assert client.post("/", data=b"x" * 300_000).text == "300000"
    assert client.post("/", data=iter([b"x" * 1000] * 300)).text == "300000"
    for data in (b"x" * 300_001, iter([b"x" * 1000] * 301)):
        answer = client.post("/", data=data)
        assert answer.status_code == 413
        assert answer.json["error"]["code"] == "too_large"
    for head in (b"Content-Length: 10", b"Transfer-Encoding: chunked"):
        with server.raw() as slow:
            slow.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n\r\n")
            assert b" 408 " in slow.recv(1 << 16)


@pytest.mark.parametrize("connection", [b"keep-alive", b"close"])
def test_who_sends_too_much_can_read_the_answer_all_the_same(make_shell, connection):
    server = make_shell(max_body_bytes=1024)
    size = 4 << 20
    with server.raw() as client:
        client.sendall(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: " + connection + b"\r\n"
            b"Content-Length: " + str(size).encode() + b"\r\n\r\n"
        )
        try:
            for _ in range(size >> 16):
                client.sendall(b"x" * (1 << 16))
        except OSError:
            pass  # as every client library does: it reads the answer then
        client.settimeout(5)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            answer = client.recv(1 << 16) if connection != b"close" else read_to_end(client)
    assert b" 413 " in answer
