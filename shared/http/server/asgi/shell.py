"""The policy of every port: request ids, hosts, tokens, limits, errors, access log and metrics.

The shell is an ASGI application around that of a service. It receives a request's body before the
request takes one of the service's places, so that a slow client costs no more than a connection.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from contextlib import suppress
from typing import IO, Any, TypeAlias

from starlette.datastructures import Headers, QueryParams

from shared.core.errors import (
    ClientGone,
    MeshError,
    NotFound,
    NotReady,
    Overloaded,
    UpgradeRequired,
)
from shared.core.log import accept_request_id, request_id
from shared.core.metrics import REQUEST_SECONDS, REQUESTS, STREAMS, STREAMS_ABORTED
from shared.core.settings import CommonSettings
from shared.http.server.asgi.draining import is_draining
from shared.http.server.asgi.record import RECORD, RequestRecord, Scope, record_of
from shared.http.server.asgi.request_body import Receive, receive_body
from shared.http.server.asgi.socket import AsyncSocket, SocketClosed
from shared.http.server.auth import presented_token, require_token
from shared.http.server.error_responses import as_mesh_error, error_headers
from shared.http.server.origin_check import OriginCheck
from shared.http.server.rate_limit import RateLimit

Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
SocketHandler: TypeAlias = Callable[[AsyncSocket], Awaitable[None]]

log = logging.getLogger("access")

PROBES = frozenset({"/livez", "/readyz", "/metrics"})
"""Paths that are answered beyond every limit: a busy service must not look dead."""
OPEN_PATHS = PROBES | {"/openapi.json", "/docs"}
"""Paths that need no token. The specification is public anyway."""
SEND_S = 30.0
"""Longest time that a client may take to read what was sent, seconds, before it counts as gone."""
MAX_RECEIVING = 512
"""Bodies that are received at once."""
WRONG_TOKENS_PER_MINUTE = 60
"""Requests with a wrong token or none that one address may send in a minute; then 429."""

_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
_DEFAULT_HEADERS = (
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    ),
)
"""Set where the application has not set the header itself."""


class Shell:
    """An ASGI application that applies the policy and calls ``app`` and ``sockets``.

    The application finds the complete body, an open file, at ``scope["body"]`` and its
    :class:`.record.RequestRecord` by :func:`.record.record_of`. It need not call ``receive``.

    Args:
        app: the service's HTTP application.
        settings: tokens, hosts and limits.
        sockets: WebSocket handlers by path.
        open_paths: further paths that need no token.
        requests_per_minute: requests of one client within a minute; 0 for no limit.
        on_stop: called when the server stops.
    """

    def __init__(
        self,
        app: AsgiApp,
        settings: CommonSettings,
        *,
        sockets: Mapping[str, SocketHandler] | None = None,
        open_paths: Collection[str] = frozenset(),
        requests_per_minute: int = 0,
        on_stop: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.app = app
        self._settings = settings
        self._sockets = dict(sockets or {})
        self._open_paths = OPEN_PATHS | frozenset(open_paths)
        self._origins = OriginCheck(settings)
        self._rate = RateLimit(requests_per_minute)
        self._wrong_tokens = RateLimit(WRONG_TOKENS_PER_MINUTE)
        self._on_stop = on_stop
        self._at_work = 0
        self._receiving = 0
        self._open_sockets = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request, WebSocket or lifespan."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._lifespan(receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        record = self._begin(scope, headers, scope["method"])
        token = request_id.set(record.id)
        answer = _Answer(send, scope, record, self._origins.answer_headers(headers))
        try:
            await self._answer(scope, headers, receive, answer)
        except asyncio.CancelledError:
            record.outcome = "cancelled"
            raise
        except Exception as error:
            fault = as_mesh_error(error)
            record.outcome = fault.code
            if answer.begun:
                # The connection is dropped, so that a truncated answer does not look whole.
                if not isinstance(fault, ClientGone) and not record.is_gone():
                    STREAMS_ABORTED.labels(kind="http", reason="failure").inc()
            elif not record.is_gone():
                with suppress(ClientGone):
                    await answer.error(fault)
        finally:
            if record.is_gone() and not answer.complete:
                record.outcome = "client_closed"
                if answer.begun:
                    STREAMS_ABORTED.labels(kind="http", reason="client_closed").inc()
            self._account(record)
            request_id.reset(token)

    async def _answer(
        self, scope: Scope, headers: Headers, receive: Receive, answer: _Answer
    ) -> None:
        record = record_of(scope)
        if self._origins.check(headers, scope["method"]):
            await answer.empty(204)
            return
        if record.path == "/readyz" and is_draining():
            record.route = record.path
            raise NotReady("the service is about to stop", code="draining")
        probe = record.path in PROBES
        self._authorize(scope, headers, record)
        if record.path in self._sockets:
            record.route = record.path
            fault = UpgradeRequired("this path is a WebSocket")
            fault.headers["Upgrade"] = "websocket"
            raise fault
        body = await self._body(scope, receive)
        try:
            if not probe:
                answer.leave = self._take_place()
            watch = asyncio.create_task(_watch(receive, record))
            try:
                scope["app"] = self
                scope["body"] = body
                await self.app(scope, _no_more, answer.send)
            finally:
                watch.cancel()
                answer.close()
        finally:
            body.close()

    def _authorize(self, scope: Scope, headers: Headers, record: RequestRecord) -> None:
        """Check the token and count the request.

        Raises:
            Unauthorized: the token is missing or not accepted.
            RateLimited: too many requests of this client.
        """
        accepted = self._settings.api_tokens
        token = presented_token(
            headers,
            QueryParams(scope["query_string"]),
            websocket=scope["type"] == "websocket",
        )
        checked = bool(accepted) and record.path not in self._open_paths
        if checked:
            try:
                require_token(token, accepted)
            except MeshError:
                # Guessing costs the guesser only: right tokens are not counted here.
                self._wrong_tokens.count(record.client)
                raise
        if record.path not in PROBES:
            # A token identifies a client only where tokens are checked.
            self._rate.count(token if checked and token else record.client)

    async def _body(self, scope: Scope, receive: Receive) -> IO[bytes]:
        names = dict(scope["headers"])
        if names.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in names:
            return io.BytesIO()
        if self._receiving >= MAX_RECEIVING:
            raise Overloaded("too many uploads at once")
        self._receiving += 1
        try:
            return await receive_body(receive, scope["headers"], self._settings.max_body_bytes)
        finally:
            self._receiving -= 1

    def _take_place(self) -> Callable[[], None]:
        """Take one of the service's places; return what gives it back, once."""
        if self._at_work >= self._settings.max_requests:
            raise Overloaded("too many requests at work here")
        self._at_work += 1
        held = [1]

        def leave() -> None:
            self._at_work -= held.pop() if held else 0

        return leave

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = Headers(scope=scope)
        record = self._begin(scope, headers, "WEBSOCKET")
        token = request_id.set(record.id)
        socket = AsyncSocket(scope, receive, send, record)
        try:
            try:
                self._origins.check(headers, "GET")
                handler = self._sockets.get(record.path)
                if handler is None:
                    raise NotFound("no such socket")
                record.route = record.path
                self._authorize(scope, headers, record)
            except Exception as error:
                fault = as_mesh_error(error)
                record.outcome = fault.code
                await _deny(send, fault, record)
                return
            await self._session(handler, socket, record)
        finally:
            self._account(record)
            request_id.reset(token)

    async def _session(
        self, handler: SocketHandler, socket: AsyncSocket, record: RequestRecord
    ) -> None:
        await socket.accept()
        record.status = 101
        if self._open_sockets >= self._settings.max_sockets:
            record.outcome = "overloaded"
            await socket.refuse(Overloaded("too many sockets"))
            return
        self._open_sockets += 1
        STREAMS.labels(kind="websocket").inc()
        try:
            await handler(socket)
        except SocketClosed:
            log.debug("peer closed the socket")
        except asyncio.CancelledError:
            record.outcome = "cancelled"
            raise
        except Exception as error:
            fault = as_mesh_error(error)
            record.outcome = fault.code
            await socket.refuse(fault)
        finally:
            STREAMS.labels(kind="websocket").dec()
            self._open_sockets -= 1
            record.note_gone()
            await socket.close()

    def _begin(self, scope: Scope, headers: Headers, method: str) -> RequestRecord:
        client = scope.get("client") or ("unknown", 0)
        record = RequestRecord(
            accept_request_id(headers.get("x-request-id")), scope["path"], method, client[0]
        )
        scope[RECORD] = record
        return record

    def _account(self, record: RequestRecord) -> None:
        """Log the request and count it."""
        seconds = time.monotonic() - record.started
        probe = record.path in PROBES
        if not probe:
            REQUESTS.labels(route=record.route, engine=record.engine, outcome=record.outcome).inc()
            if record.method != "WEBSOCKET":
                REQUEST_SECONDS.labels(route=record.route).observe(seconds)
        log.log(
            logging.DEBUG if probe else logging.INFO,
            "%s %s %s",
            record.method,
            record.path,
            record.status,
            extra={
                "status": record.status,
                "outcome": record.outcome,
                "seconds": round(seconds, 4),
                "client": record.client,
            },
        )

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                if self._on_stop is not None:
                    await self._on_stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


class _Answer:
    """The response of one request: adds headers, notes its course, and bounds the time to send."""

    def __init__(
        self,
        send: Send,
        scope: Scope,
        record: RequestRecord,
        headers: list[tuple[bytes, bytes]],
    ) -> None:
        self._send = send
        self._abort = scope.get("extensions", {}).get("voicemesh.abort")
        self._record = record
        self._headers = headers
        self._counted = False
        self.begun = False
        self.complete = False
        self.leave: Callable[[], None] = _nothing
        """Gives the place of the request back."""

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Send one ASGI message.

        Raises:
            ClientGone: the client has disconnected, or does not read.
        """
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if self._record.is_gone():
            if last and self.begun and not self._record.streamed:
                self.complete = True
                return
            raise ClientGone("the client has left")
        if message["type"] == "http.response.start":
            message = self._started(message)
        if last:
            # A client that has its whole answer may send its next request at once.
            self.close()
        try:
            async with asyncio.timeout(SEND_S):
                await self._send(message)
        except TimeoutError:
            self._record.note_gone()
            if self._abort is not None:
                self._abort()
            raise ClientGone("the client does not read") from None
        self.complete = self.complete or last

    async def error(self, fault: MeshError) -> None:
        """Send the standard response for ``fault``."""
        start, body = _error_messages("http.response", fault)
        await self.send(start)
        await self.send(body)

    async def empty(self, status: int) -> None:
        """Send a response without a body."""
        await self.send({"type": "http.response.start", "status": status, "headers": []})
        await self.send({"type": "http.response.body"})

    def close(self) -> None:
        """Note the end of the response, and give its place back."""
        self.leave()
        if self._counted:
            self._counted = False
            STREAMS.labels(kind="http").dec()

    def _started(self, message: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        self.begun = True
        record = self._record
        record.status = message["status"]
        given = list(message.get("headers", []))
        names = {name for name, _ in given}
        for name, value in given:
            if name == b"x-engine":
                record.engine = value.decode("latin-1")
        record.streamed = b"content-length" not in names and record.status not in (204, 304)
        if record.streamed and record.path not in PROBES:
            self._counted = True
            STREAMS.labels(kind="http").inc()
        own = [(b"x-request-id", record.id.encode()), *_SECURITY_HEADERS, *self._headers]
        replaced = {name for name, _ in own}
        given = [entry for entry in given if entry[0] not in replaced or entry[0] == b"vary"]
        names |= replaced
        given += [*own, *(entry for entry in _DEFAULT_HEADERS if entry[0] not in names)]
        return {**message, "headers": given}


def _nothing() -> None:
    """Do nothing: a probe takes no place."""


async def _watch(receive: Receive, record: RequestRecord) -> None:
    """Note in ``record`` when the client disconnects."""
    while (await receive())["type"] != "http.disconnect":
        pass
    record.note_gone()


async def _no_more() -> MutableMapping[str, Any]:
    return {"type": "http.disconnect"}


async def _deny(send: Send, fault: MeshError, record: RequestRecord) -> None:
    """Answer a WebSocket handshake with an HTTP error."""
    record.status = fault.status
    start, body = _error_messages("websocket.http.response", fault)
    start["headers"].append((b"x-request-id", record.id.encode()))
    await send(start)
    await send(body)


def _error_messages(kind: str, fault: MeshError) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the ASGI messages, of types that begin with ``kind``, of the response for a fault."""
    payload = json.dumps(fault.body()).encode()
    headers = [(k.lower().encode(), v.encode()) for k, v in error_headers(fault).items()]
    headers.append((b"content-length", str(len(payload)).encode()))
    return (
        {"type": f"{kind}.start", "status": fault.status, "headers": headers},
        {"type": f"{kind}.body", "body": payload},
    )
