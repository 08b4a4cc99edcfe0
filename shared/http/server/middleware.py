"""The outermost WSGI layer: request id, concurrency limit, access log and request metrics.

It wraps the complete response including its body, unlike Flask's own hooks. A streamed response is
counted and logged when its last byte was produced or its client has disconnected.
"""

from __future__ import annotations

import errno
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from typing import Any

from shared.core.cancellation import client_is_gone, watching
from shared.core.errors import MeshError, Overloaded
from shared.core.log import accept_request_id, request_id
from shared.core.metrics import REQUEST_SECONDS, REQUESTS, STREAMS, STREAMS_ABORTED
from shared.core.streaming import ClosingIterator, close_quietly
from shared.http.server.error_responses import OUTCOME, ROUTE, retry_after_header

log = logging.getLogger("access")

PROBES = frozenset({"/livez", "/readyz", "/metrics"})
"""Paths answered above the limit too, so that a busy service does not appear dead."""

StartResponse = Callable[..., Any]


class Middleware:
    """A WSGI middleware around an application.

    Args:
        app: the wrapped application.
        max_requests: maximum number of concurrent requests, not counting WebSockets and probes.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], max_requests: int) -> None:
        self._app = app
        self._places = threading.BoundedSemaphore(max_requests)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Handle a WSGI request."""
        token = request_id.set(accept_request_id(environ.get("HTTP_X_REQUEST_ID")))
        context = ExitStack()
        context.callback(request_id.reset, token)
        if (connection := environ.get("gunicorn.socket")) is not None:
            context.enter_context(watching(partial(has_closed, connection)))
        started = time.monotonic()
        path = environ.get("PATH_INFO", "")
        seen: dict[str, Any] = {"status": 0, "engine": "", "streamed": False}

        def record(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            seen["status"] = int(status.split(" ", 1)[0])
            # A response without a body has no Content-Length either.
            seen["streamed"] = seen["status"] not in (204, 304)
            for name, value in headers:
                if name.lower() == "x-engine":
                    seen["engine"] = value
                if name.lower() == "content-length":
                    seen["streamed"] = False
            headers.append(("X-Request-ID", request_id.get()))
            return start_response(status, headers, *rest)

        upgraded = environ.get("HTTP_UPGRADE", "").lower() == "websocket"
        counted = not upgraded and path not in PROBES
        if counted and not self._places.acquire(blocking=False):
            refusal = _refusal(record)
            self._account(environ, seen, started, "overloaded")
            context.close()
            return refusal

        def finish() -> None:
            if counted:
                self._places.release()
            self._account(environ, seen, started, environ.get(OUTCOME, "ok"))
            context.close()

        try:
            body = self._app(environ, record)
        except BaseException:
            # A WebSocket under gunicorn ends with StopIteration; no other exception leaves Flask.
            finish()
            raise
        if counted and seen["streamed"]:
            STREAMS.labels(kind="http").inc()
            context.callback(STREAMS.labels(kind="http").dec)
        return _ObservedBody(body, environ, seen, finish)

    def _account(
        self, environ: dict[str, Any], seen: dict[str, Any], started: float, outcome: str
    ) -> None:
        seconds = time.monotonic() - started
        path = environ.get("PATH_INFO", "")
        route = environ.get(ROUTE, "unmatched")
        if path not in PROBES:
            REQUESTS.labels(route=route, engine=seen["engine"], outcome=outcome).inc()
            if environ.get("HTTP_UPGRADE", "").lower() != "websocket":
                REQUEST_SECONDS.labels(route=route).observe(seconds)
        log.log(
            logging.DEBUG if path in PROBES else logging.INFO,
            "%s %s %s",
            environ.get("REQUEST_METHOD", ""),
            path,
            seen["status"],
            extra={
                "status": seen["status"],
                "outcome": outcome,
                "seconds": round(seconds, 4),
                "client": environ.get("REMOTE_ADDR", ""),
            },
        )


def has_closed(connection: socket.socket) -> bool:
    """Return whether the peer has closed its side; peeks without consuming data."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


class _ObservedBody(ClosingIterator[bytes]):
    """The body of an answer that notes in ``environ`` whether it failed or was cut short.

    Args:
        body: what the application returned.
        environ: of the request; :data:`OUTCOME` is set here.
        seen: what :class:`Middleware` learned from the status line and headers.
        finish: run once, after the body has ended.
    """

    def __init__(
        self,
        body: Iterable[bytes],
        environ: dict[str, Any],
        seen: dict[str, Any],
        finish: Callable[[], None],
    ) -> None:
        # Without a close() of its own, so that only the body itself is closed.
        super().__init__(map(bytes, body), finish)
        self._body = body
        self._seen = seen
        self._environ = environ
        self._ended = False
        self._begun = False

    def close(self) -> None:
        """Close the application's body, which may be another object than its iterator."""
        if not self._ended and self._environ.get("REQUEST_METHOD") != "HEAD":
            self._note_departure()
        # Werkzeug runs its callbacks at every call of close().
        body, self._body = self._body, ()
        try:
            close_quietly(body)
        finally:
            super().close()

    def _pull(self) -> bytes:
        # A client may close at once when it has the bytes that Content-Length promised.
        if self._begun and self._seen["streamed"] and client_is_gone():
            # As a failed write would say, one chunk earlier: no more work for a closed connection.
            self._note_departure()
            raise BrokenPipeError(errno.EPIPE, "the client has left")
        self._begun = True
        try:
            return super()._pull()
        except StopIteration:
            self._ended = True
            raise
        except BaseException as error:
            self._ended = True
            code = error.code if isinstance(error, MeshError) else type(error).__name__
            self._environ[OUTCOME] = code
            STREAMS_ABORTED.labels(kind="http", reason="failure").inc()
            raise

    def _note_departure(self) -> None:
        self._ended = True
        self._environ[OUTCOME] = "client_closed"
        STREAMS_ABORTED.labels(kind="http", reason="client_closed").inc()


def _refusal(start_response: StartResponse) -> list[bytes]:
    error = Overloaded("too many requests at work here")
    payload = json.dumps(error.body()).encode()
    start_response(
        "503 Service Unavailable",
        [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(payload))),
            ("Retry-After", retry_after_header(error) or "1"),
        ],
    )
    return [payload]
