"""The gunicorn worker of every service: uvicorn's event loop with limits on connections."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import socket
import sys
import time
from asyncio.events import TimerHandle
from types import FrameType
from typing import Any, ClassVar

from gunicorn.arbiter import Arbiter
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import Server
from uvicorn_worker import UvicornWorker

from shared.http.server.asgi import draining

HEAD_S = 15.0
"""Longest time from a connection's or a request's first byte to the end of its head, seconds."""
HEAD_BYTES = 64 * 1024
"""Largest head of a request, bytes."""
LINGER_S = 2.0
"""How long the rest of a body is still read after it was refused, seconds.

A connection that is closed with unread bytes is reset, and the client may lose the answer.
"""
UNREAD_MS = 60_000
"""How long a peer may leave what was sent unread before its connection ends, milliseconds."""
GRACE_MARGIN_S = 3
"""What gunicorn waits longer than uvicorn before it kills a worker, seconds."""
WS_PING_S = 20.0
WS_PONG_S = 20.0


class _WithoutAborts(logging.Filter):
    """Drops uvicorn's log lines about responses that were cut on purpose."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("ASGI callable returned without completing")


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's HTTP protocol with limits for heads and for the rest of refused bodies.

    uvicorn itself waits for ever for the end of a head, of any length.
    """

    _deadline: TimerHandle | None = None
    _linger: TimerHandle | None = None
    _upgraded = False
    _in_head = True
    _in_body = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first head."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family != socket.AF_UNIX:
            # Ends connections whose peer takes nothing, also while they are being closed.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._stop_deadline()
        self._stop_linger()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse ``data``, and refuse a head that is too large."""
        super().data_received(data)
        if self._is_idle() and self.timeout_keep_alive_task is None and self._deadline is None:
            # Line ends between two requests stop the keep-alive timer and begin no request.
            self._start_deadline()
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(
                    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
                    b"content-length: 0\r\nconnection: close\r\n\r\n"
                )
                self.transport.close()

    def on_message_begin(self) -> None:
        """Start the deadline of a head."""
        self._in_head, self._head_bytes = True, 0
        if self._deadline is None:
            self._start_deadline()
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope["extensions"] = {"voicemesh.abort": self.transport.abort}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, and drop trailers, which nothing here reads."""
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End the deadline; the application bounds the time of the body."""
        self._in_head = False
        self._in_body = True
        self._stop_deadline()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that the whole request was read."""
        self._in_body = False
        self._stop_linger()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Bound the time in which the rest of a refused body is read."""
        super().on_response_complete()
        if self._in_body and not self.transport.is_closing():
            self._linger = self.loop.call_later(LINGER_S, self.transport.abort)

    def handle_websocket_upgrade(self) -> None:
        """Refuse other versions of the protocol as RFC 6455, section 4.4, asks for."""
        self._upgraded = True
        versions = {value for name, value in self.headers if name == b"sec-websocket-version"}
        if versions == {b"13"}:
            super().handle_websocket_upgrade()
            protocol = self.transport.get_protocol()
            if not getattr(protocol, "handshake_initiated", True):
                # A head that its parser refuses would be waited for without an end.
                self.transport.write(
                    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                )
                self.transport.close()
            return
        self.transport.write(
            b"HTTP/1.1 426 Upgrade Required\r\nsec-websocket-version: 13\r\n"
            b"upgrade: websocket\r\nconnection: upgrade, close\r\ncontent-length: 0\r\n\r\n"
        )
        self.transport.close()

    def _is_idle(self) -> bool:
        """Return whether the connection waits for its next request."""
        if self._upgraded or self._in_head or self._in_body or self.transport.is_closing():
            return False
        return self.cycle is not None and self.cycle.response_complete

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(HEAD_S, self._head_is_late)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_linger(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    def _head_is_late(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.abort()


class DrainingServer(Server):
    """A server that keeps serving for ``drain_s`` seconds after SIGTERM, while it is not ready.

    A load balancer sees that it is not ready and turns away before it stops listening. A second
    signal, or SIGINT, stops it at once.
    """

    def __init__(self, config: Config, drain_s: float) -> None:
        super().__init__(config)
        self._drain_s = drain_s
        self._exit_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain, or stop."""
        draining.begin()
        if sig == signal.SIGTERM and self._drain_s > 0 and self._exit_at is None:
            self._exit_at = time.monotonic() + self._drain_s
            return
        # uvicorn's own handler would raise the signal again in the end, which kills the process
        # before its last acts.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Return whether it is time to stop."""
        if self._exit_at is not None and time.monotonic() >= self._exit_at:
            self.should_exit = True
        return await super().on_tick(counter)


class EdgeWorker(UvicornWorker):  # type: ignore[misc]  # the package has no types
    """A gunicorn worker with one event loop."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "uvloop",
        "http": BoundedHttp,
        "ws": "websockets-sansio",
        "ws_ping_interval": WS_PING_S,
        "ws_ping_timeout": WS_PONG_S,
        # 300 KB of compressed zeros are 110 MB: audio gains nothing from it.
        "ws_per_message_deflate": False,
        "lifespan": "on",
        "server_header": False,
        "access_log": False,
        "proxy_headers": False,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        logging.getLogger("uvicorn.error").addFilter(_WithoutAborts())
        self.drain_s = 0.0
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    async def _serve(self) -> None:
        """Serve until a signal; as :meth:`uvicorn_worker.UvicornWorker._serve`, with draining."""
        self.config.app = self.wsgi
        server = DrainingServer(self.config, self.drain_s)
        self._install_sigquit_handler()
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
