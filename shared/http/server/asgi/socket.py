"""The server side of one WebSocket, for handlers in the event loop and in threads."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from starlette.datastructures import QueryParams

from shared.core.cancellation import watching
from shared.core.errors import MeshError
from shared.http.server.asgi.record import RequestRecord, Scope

SEND_S = 30.0
"""Longest time that a peer may take to read a message, seconds, before the socket is given up."""
_SUBPROTOCOLS = ("realtime", "voicemesh")
"""Subprotocols that are accepted. A browser that sends its token as one insists on an answer."""
_MESSAGE_BYTES = 100
"""What a message takes besides its content, bytes."""
_CLOSE_REASON_BYTES = 123
"""RFC 6455, section 5.5: a control frame holds 125 bytes, two of which are the close code."""


class SocketClosed(OSError):
    """The peer has closed the socket, or its connection failed."""


class AsyncSocket:
    """A WebSocket session in the event loop.

    Attributes:
        query: query parameters of the handshake.
        record: the session's record.
        closed: either side has closed.
        close_code: close code sent by the peer, after it has closed.
        close_reason: its reason.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
        record: RequestRecord,
    ) -> None:
        self.query = QueryParams(scope["query_string"])
        self.record = record
        self.closed = False
        self.close_code = 1000
        self.close_reason = ""
        self._offered: list[str] = scope.get("subprotocols", [])
        self._receive = receive
        self._send = send

    async def accept(self) -> None:
        """Complete the handshake."""
        subprotocol = next((name for name in _SUBPROTOCOLS if name in self._offered), None)
        await self._send(
            {
                "type": "websocket.accept",
                "subprotocol": subprotocol,
                "headers": [(b"x-request-id", self.record.id.encode())],
            }
        )

    async def receive(self) -> str | bytes | None:
        """Return the next message; None when the peer has closed."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self.closed = True
            self.close_code = int(message.get("code") or 1000)
            self.close_reason = message.get("reason") or ""
            self.record.note_gone()
            return None
        text = message.get("text")
        return text if text is not None else bytes(message.get("bytes") or b"")

    async def send(self, data: str | bytes) -> None:
        """Send one message.

        Raises:
            SocketClosed: the socket is closed, or the peer does not read.
        """
        if self.closed:
            raise SocketClosed("the socket is closed")
        kind = "text" if isinstance(data, str) else "bytes"
        try:
            async with asyncio.timeout(SEND_S):
                await self._send({"type": "websocket.send", kind: data})
        except (TimeoutError, OSError, RuntimeError) as error:
            self.closed = True
            self.record.note_gone()
            raise SocketClosed("the peer does not read any more") from error

    async def send_json(self, value: dict[str, Any]) -> None:
        """Send ``value`` as one JSON text message."""
        await self.send(json.dumps(value, ensure_ascii=False))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with a code; do nothing if the socket is closed already."""
        if self.closed:
            return
        self.closed = True
        short = reason.encode()[:_CLOSE_REASON_BYTES].decode(errors="ignore")
        with suppress(OSError, RuntimeError, TimeoutError):
            async with asyncio.timeout(SEND_S):
                await self._send({"type": "websocket.close", "code": code, "reason": short})

    async def refuse(self, error: MeshError) -> None:
        """Send ``error`` as a message and close with its code."""
        if self.closed:
            return
        with suppress(SocketClosed):
            await self.send_json(error.body())
            await self.close(error.ws_close, error.message)


class Socket:
    """An :class:`AsyncSocket` for a handler that runs in a thread; sending is thread-safe.

    Messages that the handler has not taken yet are held up to ``inbox_bytes``. Beyond that the
    socket is not read, which slows the peer down.
    """

    def __init__(self, socket: AsyncSocket, inbox_bytes: int) -> None:
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._limit = inbox_bytes
        self._inbox: deque[str | bytes | None] = deque()
        self._held = 0
        self._arrived = threading.Condition()
        self._room = asyncio.Event()
        self._reader = self._loop.create_task(self._read())
        self.query = socket.query

    @property
    def closed(self) -> bool:
        """Whether either side has closed."""
        return self._socket.closed

    @property
    def close_code(self) -> int:
        """Close code sent by the peer, after it has closed."""
        return self._socket.close_code

    def is_gone(self) -> bool:
        """Return whether the peer has disconnected."""
        return self._socket.record.is_gone()

    def receive(self, timeout: float | None = None) -> str | bytes | None:
        """Return the next message; None after ``timeout`` seconds or when the peer has closed.

        :attr:`closed` distinguishes the two.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: bool(self._inbox), timeout):
                return None
            message = self._inbox[0]
            if message is None:
                return None
            self._inbox.popleft()
            self._held -= _cost(message)
        self._loop.call_soon_threadsafe(self._room.set)
        return message

    def send(self, data: str | bytes) -> None:
        """Send one message, and wait until it was passed on.

        Raises:
            SocketClosed: the socket is closed, or the peer does not read.
        """
        asyncio.run_coroutine_threadsafe(self._socket.send(data), self._loop).result()

    def send_json(self, value: dict[str, Any]) -> None:
        """Send ``value`` as one JSON text message."""
        self.send(json.dumps(value, ensure_ascii=False))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with a code; do nothing if the socket is closed already."""
        asyncio.run_coroutine_threadsafe(self._socket.close(code, reason), self._loop).result()

    def stop_reading(self) -> None:
        """End the task that reads messages, and wake the handler; call it in the event loop."""
        self._reader.cancel()
        with self._arrived:
            self._inbox.append(None)
            self._arrived.notify()

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            with self._arrived:
                self._inbox.append(message)
                self._held += _cost(message)
                self._arrived.notify()
            if message is None:
                return
            while self._held > self._limit:
                self._room.clear()
                await self._room.wait()


def _cost(message: str | bytes | None) -> int:
    """Return the bytes that a message counts in the inbox: itself and what holds it."""
    return 0 if message is None else len(message) + _MESSAGE_BYTES


class ThreadSessions:
    """Runs WebSocket handlers that block, each in a thread of its own.

    Args:
        sessions: most sessions at once.
        inbox_bytes: bytes of messages that a session may hold back.
    """

    def __init__(self, sessions: int, inbox_bytes: int) -> None:
        self._threads = ThreadPoolExecutor(sessions, thread_name_prefix="socket")
        self._inbox_bytes = inbox_bytes

    def handler(
        self, session: Callable[[Socket], None]
    ) -> Callable[[AsyncSocket], Awaitable[None]]:
        """Return ``session`` as a handler for the event loop."""

        async def run(socket: AsyncSocket) -> None:
            blocking = Socket(socket, self._inbox_bytes)

            def serve() -> None:
                with watching(blocking.is_gone):
                    session(blocking)

            loop = asyncio.get_running_loop()
            try:
                await loop.run_in_executor(self._threads, copy_context().run, serve)
            finally:
                blocking.stop_reading()

        return run
