"""WebSocket routes with a session limit and errors mapped to close codes."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

from flask import Flask
from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server

from shared.core.errors import MeshError, Overloaded
from shared.core.metrics import STREAMS
from shared.http.server.error_responses import as_mesh_error
from shared.http.server.openapi import operation

log = logging.getLogger(__name__)

_CLOSE_REASON_BYTES = 123
"""RFC 6455, section 5.5: a control frame holds 125 bytes, two of which are the close code."""


class Socket:
    """The server side of one WebSocket session."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._send_lock = threading.Lock()
        self.closed = False
        self.close_code = 1000
        """The close code sent by the peer, after it has closed."""

    def receive(self, timeout: float | None = None) -> str | bytes | None:
        """Return the next message; None after ``timeout`` seconds or if the peer has closed.

        :attr:`closed` distinguishes the two.
        """
        try:
            message: str | bytes | bytearray | None = self._server.receive(timeout=timeout)
        except ConnectionClosed as closed:
            self.closed = True
            self.close_code = int(closed.reason or 1000)
            return None
        return bytes(message) if isinstance(message, bytearray) else message

    def send(self, message: str | bytes) -> None:
        """Send a text or binary message; thread-safe. Sets :attr:`closed` if the peer has gone.

        Raises:
            ConnectionClosed: the peer has closed the connection.
            OSError: the connection failed.
        """
        with self._send_lock:
            try:
                self._server.send(message)
            except (ConnectionClosed, OSError):
                self.closed = True
                raise

    def send_json(self, value: dict[str, Any]) -> None:
        """Send ``value`` as one JSON text message."""
        self.send(json.dumps(value, ensure_ascii=False))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the session with a code; do nothing if it is already closed."""
        self.closed = True
        short = reason.encode()[:_CLOSE_REASON_BYTES].decode(errors="ignore")
        try:
            self._server.close(code, short)
        except (ConnectionClosed, OSError):
            return


def ws_route(
    app: Flask,
    path: str,
    *,
    max_sessions: int,
    summary: str,
    tag: str = "WebSocket",
    description: str = "",
) -> Callable[[Callable[[Socket], None]], Callable[[Socket], None]]:
    """Return a decorator that serves ``path`` as a WebSocket.

    The decorated function is called once per session. Sessions above ``max_sessions`` are accepted,
    receive ``{"error": …}`` and are closed with 1013, so that the client sees the reason. If the
    function raises a MeshError, it is sent as an error event and the socket is closed with the
    error's code.
    """
    sock = app.extensions.get("voicemesh-sock")
    if sock is None:
        sock = app.extensions["voicemesh-sock"] = Sock(app)
    places = threading.BoundedSemaphore(max_sessions)

    def decorate(session: Callable[[Socket], None]) -> Callable[[Socket], None]:
        def serve(server: Server) -> None:
            socket = Socket(server)
            if not places.acquire(blocking=False):
                _refuse(socket, Overloaded("too many sessions"))
                return
            STREAMS.labels(kind="websocket").inc()
            try:
                session(socket)
            except ConnectionClosed:
                log.debug("peer closed the socket")
            except Exception as error:
                _refuse(socket, as_mesh_error(error))
            finally:
                STREAMS.labels(kind="websocket").dec()
                places.release()
                socket.close()

        serve.__name__ = session.__name__
        sock.route(path)(serve)
        endpoint = next(r.endpoint for r in app.url_map.iter_rules() if r.rule == path)
        operation(summary, tag=tag, description=description, websocket=True)(
            app.view_functions[endpoint]
        )
        return session

    return decorate


def _refuse(socket: Socket, error: MeshError) -> None:
    if socket.closed:
        return
    try:
        socket.send_json(error.body())
    except (ConnectionClosed, OSError):
        return
    socket.close(error.ws_close, error.message)
