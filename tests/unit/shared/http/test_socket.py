"""The server side of WebSockets: flooding, silence, stopping."""

from __future__ import annotations

import asyncio
import socket as plain
import threading
import time

import pytest
import websocket

from shared.http.server.asgi import socket as module
from shared.http.server.asgi.record import RequestRecord
from shared.http.server.asgi.shell import Shell
from shared.http.server.asgi.socket import AsyncSocket, Socket, SocketClosed, ThreadSessions
from tests.asgi_server import eventually
from tests.unit.shared.http.conftest import hello, settings


class Peer:
    """Stands in for the server's protocol: what the peer sends, and what it got."""

    def __init__(self):
        self.sent = asyncio.Queue()
        self.taken = 0
        self.got = []
        self.reads = True

    async def receive(self):
        message = await self.sent.get()
        self.taken += 1
        return message

    async def send(self, message):
        if not self.reads:
            await asyncio.sleep(60)
        self.got.append(message)

    def text(self, text):
        self.sent.put_nowait({"type": "websocket.receive", "text": text})

    def data(self, data):
        self.sent.put_nowait({"type": "websocket.receive", "bytes": data})

    def leave(self, code=1000, reason=""):
        self.sent.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})

    def socket(self, **scope):
        record = RequestRecord("req", "/ws", "WEBSOCKET", "here")
        return AsyncSocket({"query_string": b"a=1", **scope}, self.receive, self.send, record)


def run(session, inbox_bytes=1000):
    """Run ``session(peer, blocking)``, in the event loop, with a Socket for threads."""

    async def main():
        peer = Peer()
        blocking = Socket(peer.socket(), inbox_bytes)
        try:
            await session(peer, blocking)
        finally:
            blocking.stop_reading()

    asyncio.run(main())


async def settled():
    for _ in range(200):
        await asyncio.sleep(0)


def test_messages_that_nobody_takes_are_left_where_they_are():
    async def session(peer, blocking):
        for _ in range(100):
            peer.data(b"x" * 100)
        await settled()
        assert peer.taken <= 11, "one more than the inbox holds"
        for number in range(1, 90):
            assert await asyncio.to_thread(blocking.receive, 5) == b"x" * 100
            await settled()
            assert peer.taken <= number + 11
        for _ in range(11):
            assert await asyncio.to_thread(blocking.receive, 5) is not None

    run(session)


@pytest.mark.parametrize("message", ["", b"", "é"])
def test_a_flood_of_tiny_messages_is_bounded_too(message):
    async def session(peer, blocking):
        for _ in range(100_000):
            (peer.text if isinstance(message, str) else peer.data)(message)
        for _ in range(50):
            await asyncio.sleep(0.01)
        assert peer.taken < 50_000

    run(session, inbox_bytes=1000)


def test_one_message_larger_than_the_inbox_passes():
    async def session(peer, blocking):
        peer.data(b"x" * 5000)
        peer.text("next")
        assert len(await asyncio.to_thread(blocking.receive, 5)) == 5000
        assert await asyncio.to_thread(blocking.receive, 5) == "next"

    run(session)


def test_what_was_sent_before_leaving_still_arrives():
    async def session(peer, blocking):
        peer.text("last words")
        peer.leave(4000, "bye")
        await settled()
        assert blocking.closed
        assert await asyncio.to_thread(blocking.receive, 5) == "last words"
        for _ in range(2):
            assert await asyncio.to_thread(blocking.receive, 5) is None
        assert blocking.close_code == 4000
        assert blocking.is_gone()
        with pytest.raises(SocketClosed):
            await asyncio.to_thread(blocking.send, "too late")
        await asyncio.to_thread(blocking.close)
        assert peer.got == []

    run(session)


def test_receiving_ends_in_time():
    async def session(peer, blocking):
        started = time.monotonic()
        assert await asyncio.to_thread(blocking.receive, 0.05) is None
        assert time.monotonic() - started < 5
        assert not blocking.closed

    run(session)


def test_a_peer_that_does_not_read_is_given_up(monkeypatch):
    monkeypatch.setattr(module, "SEND_S", 0.05)

    async def session(peer, blocking):
        peer.reads = False
        with pytest.raises(SocketClosed):
            await asyncio.to_thread(blocking.send, "x")
        assert blocking.closed
        assert blocking.is_gone()

    run(session)


def test_messages_of_several_threads_do_not_mix():
    async def session(peer, blocking):
        def talk(word):
            for number in range(50):
                blocking.send_json({"word": word, "number": number})

        await asyncio.gather(*(asyncio.to_thread(talk, word) for word in "abcd"))
        assert len(peer.got) == 200
        assert {message["type"] for message in peer.got} == {"websocket.send"}

    run(session)


def test_a_session_whose_task_is_cancelled_does_not_wait_for_ever():
    """As at the end of the server's patience, when it stops."""
    ended = threading.Event()

    def session(blocking):
        while blocking.receive(timeout=30) is not None:
            pass
        ended.set()

    async def main():
        peer = Peer()
        peer.text("x")
        handler = ThreadSessions(1, 1000).handler(session)
        task = asyncio.create_task(handler(peer.socket()))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert ended.wait(5)


# On a port


def flooding(server, part, held):
    """Send without end until the server does not take any more; how many messages it took."""
    client = server.socket("/ws", sockopt=((plain.SOL_SOCKET, plain.SO_SNDBUF, 1 << 16),))
    client.settimeout(1)
    sent = 0
    try:
        while sent < held:
            client.send_binary(part)
            sent += 1
    except (websocket.WebSocketTimeoutException, BlockingIOError, TimeoutError):
        pass
    return client, sent


def test_a_peer_that_floods_is_slowed(serve):
    let_go, taken = threading.Event(), []

    def session(blocking):
        let_go.wait(30)
        while blocking.receive(timeout=5) is not None:
            taken.append(1)

    sockets = {"/ws": ThreadSessions(1, 1 << 20).handler(session)}
    server = serve(Shell(hello, settings(), sockets=sockets))
    part = bytes(1 << 16)
    client, sent = flooding(server, part, 2000)
    try:
        assert sent < 400, "25 MB were taken in that nobody asked for"
        let_go.set()
        eventually(lambda: len(taken) >= sent)
    finally:
        let_go.set()
        client.shutdown()


def test_an_asynchronous_session_that_does_not_read_slows_its_peer(serve):
    let_go = asyncio.Event()
    loops = []

    async def session(socket):
        loops.append(asyncio.get_running_loop())
        await let_go.wait()

    server = serve(Shell(hello, settings(), sockets={"/ws": session}))
    client, sent = flooding(server, bytes(1 << 16), 2000)
    try:
        assert sent < 400
    finally:
        loops[0].call_soon_threadsafe(let_go.set)
        client.shutdown()
