"""Asynchronous HTTP client for the replicas of one service."""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import IO, Any

import aiohttp
from yarl import URL

from shared.core.errors import ClientGone, MalformedRequest, UpstreamTimeout, UpstreamUnavailable
from shared.core.log import request_id
from shared.http.client.replicas import STALE_S, Replica, Replicas
from shared.http.server.asgi.record import RequestRecord

log = logging.getLogger(__name__)

CONNECT_S = 2.0
PROBE_S = 1.0
"""Time limit of a probe or a catalogue, seconds."""
KEEP_S = 10.0
"""How long an idle connection is kept, seconds; less than the services keep it."""
READ_SIZE = 1 << 16
UPLOAD_S = 30.0
"""Longest time that a service may take to read a part of a body, seconds."""
WATCH_S = 1.0
_REUSED = "reused"

_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Failures to open a connection: nothing of the request was sent."""
_MOST_STALE = 8
"""Kept connections in a row that may turn out to be closed, after a restart of the service."""


class Upstream:
    """The replicas of one service, as the gateway calls them.

    Args:
        name: name of the service, for messages.
        urls: base URLs.
        token: bearer token of the mesh, or None.
        silence_s: longest silence of the service, seconds.
    """

    def __init__(
        self, name: str, urls: Sequence[str], *, token: str | None, silence_s: float
    ) -> None:
        self.name = name
        self.replicas = Replicas(name, urls)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._silence_s = silence_s
        self._session: aiohttp.ClientSession | None = None
        self._sockets: aiohttp.ClientSession | None = None
        self._resolving: asyncio.Task[None] | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections; opened at the first use, inside the event loop."""
        if self._session is None:
            traces = aiohttp.TraceConfig()
            traces.on_connection_reuseconn.append(_note_reuse)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_S, sock_read=self._silence_s
                ),
                trace_configs=[traces],
                read_bufsize=READ_SIZE,
            )
            # aiohttp repeats a GET on another connection by itself. There is no public setting.
            self._session._retry_connection = False
        return self._session

    @property
    def sockets(self) -> aiohttp.ClientSession:
        """The session for WebSockets, each on a connection of its own."""
        if self._sockets is None:
            self._sockets = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._sockets

    async def close(self) -> None:
        """Close all connections."""
        for session in (self._session, self._sockets):
            if session is not None:
                await session.close()

    def headers(self) -> dict[str, str]:
        """Return the headers of the mesh's own: request id and token."""
        return {"X-Request-ID": request_id.get(), **self._headers}

    async def candidates(self) -> list[Replica]:
        """Return the replicas in the order in which they are asked."""
        resolving = self._resolving is not None and not self._resolving.done()
        if self.replicas.is_stale() and not resolving:
            # Resolving blocks, and a name that does not resolve takes seconds. What was found
            # before is used meanwhile.
            self._resolving = asyncio.create_task(asyncio.to_thread(self.replicas.refresh))
            if not self.replicas.is_resolved():
                with suppress(TimeoutError):
                    async with asyncio.timeout(CONNECT_S):
                        await asyncio.shield(self._resolving)
        return self.replicas.by_load(self.replicas.known_addresses())

    async def request(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        headers: Mapping[str, str],
        body: IO[bytes],
        record: RequestRecord,
    ) -> UpstreamResponse:
        """Send a request and return the first replica's response, whatever its status.

        The next replica is asked if no connection comes about, or if the response is a 503. Once a
        part of the request was sent it is not repeated, because it may be what killed the replica;
        the exception is a kept connection that turns out to be closed.

        Raises:
            UpstreamUnavailable: no replica could be reached, or the one asked broke off.
            UpstreamTimeout: the replica did not respond in time.
            ClientGone: the client disconnected meanwhile.
        """
        busy: UpstreamResponse | None = None
        reason = "every circuit is open"
        for replica in await self.candidates():
            if not replica.circuit.allow():
                continue
            target = URL(replica.url + path, encoded=True).with_query(list(query) or None)
            self.replicas.begin(replica)
            try:
                response = await self._send(method, target, headers, body, record)
            except BaseException as error:
                self.replicas.end(replica)
                try:
                    if not isinstance(error, aiohttp.ClientError | OSError | TimeoutError):
                        raise
                    reason = self._failed(replica, error)
                except BaseException:
                    if busy is not None:
                        busy.close()
                    raise
                continue
            replica.circuit.succeeded()
            if busy is not None:
                busy.close()
            found = UpstreamResponse(response, partial(self.replicas.end, replica))
            if response.status != 503:
                return found
            # The next replica may be ready, or have room.
            busy = found
        if busy is not None:
            return busy
        raise self._unavailable(f"is not available ({reason})")

    async def get_json(self, path: str) -> Any:
        """Return the JSON of a GET within :data:`PROBE_S`.

        Raises:
            UpstreamUnavailable: there was none in time.
        """
        asked: list[asyncio.Task[Any]] = []
        try:
            async with asyncio.timeout(PROBE_S):
                # All replicas at once, so that one that hangs hides no other.
                for replica in await self.candidates():
                    asked.append(asyncio.create_task(self._get_json(replica, path)))
                for answer in asyncio.as_completed(asked):
                    with suppress(aiohttp.ClientError, OSError, ValueError, RecursionError):
                        return await answer
        except TimeoutError:
            raise self._unavailable("gave no answer in time") from None
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        raise self._unavailable("is not available")

    async def _get_json(self, replica: Replica, path: str) -> Any:
        async with self.session.get(replica.url + path, headers=self.headers()) as response:
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            answer = await response.json(content_type=None)
        # Who says that it is ready is asked again at once.
        replica.circuit.succeeded()
        return answer

    async def is_ready(self) -> bool:
        """Return whether a replica says that it is ready."""
        try:
            await self.get_json("/readyz")
        except UpstreamUnavailable:
            return False
        return True

    async def read_metrics(self, url: str, most_bytes: int) -> bytes:
        """Return the metrics of the replica at ``url``.

        Raises:
            UpstreamUnavailable: there was no complete answer within the limits.
        """
        try:
            async with asyncio.timeout(PROBE_S):
                async with self.session.get(url + "/metrics", headers=self.headers()) as response:
                    if response.status != 200:
                        raise UpstreamUnavailable(f"status {response.status}")
                    body = bytearray()
                    async for part in response.content.iter_any():
                        body += part
                        if len(body) > most_bytes:
                            raise UpstreamUnavailable(f"more than {most_bytes} bytes")
                    return bytes(body)
        except TimeoutError:
            raise UpstreamUnavailable(f"not whole within {PROBE_S:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamUnavailable(type(error).__name__) from None

    async def _send(
        self,
        method: str,
        target: URL,
        headers: Mapping[str, str],
        body: IO[bytes],
        record: RequestRecord,
    ) -> aiohttp.ClientResponse:
        for attempt in range(_MOST_STALE):
            context: dict[str, Any] = {}
            sent_at = time.monotonic()
            try:
                return await self._attempt(method, target, headers, body, record, context)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                stale = context.get(_REUSED) and time.monotonic() - sent_at < STALE_S
                if not stale or isinstance(error, _NEVER_SENT) or attempt == _MOST_STALE - 1:
                    raise
        raise AssertionError("unreachable")

    async def _attempt(
        self,
        method: str,
        target: URL,
        headers: Mapping[str, str],
        body: IO[bytes],
        record: RequestRecord,
        context: dict[str, Any],
    ) -> aiohttp.ClientResponse:
        upload = _Upload(method, body)
        sent = {**headers, **self.headers()}
        if upload.length is not None:
            sent["Content-Length"] = str(upload.length)
        task = asyncio.ensure_future(
            self.session.request(
                method,
                target,
                headers=sent,
                data=upload.data(),
                allow_redirects=False,
                trace_request_ctx=context,
            )
        )
        record.when_gone(task.cancel)
        upload.watch(task)
        try:
            return await task
        except ValueError:
            raise MalformedRequest("a header cannot be passed on") from None
        except asyncio.CancelledError:
            task.cancel()
            if upload.stuck:
                raise TimeoutError from None
            if record.is_gone():
                raise ClientGone("the client has left") from None
            raise

    def _failed(self, replica: Replica, error: BaseException) -> str:
        """Note a failure of the connection to ``replica``.

        Returns:
            The reason, where nothing of the request was sent.

        Raises:
            UpstreamTimeout, UpstreamUnavailable: the replica has the request.
        """
        reason = type(error).__name__
        log.warning("upstream failed", extra={"upstream": self.name, "reason": reason})
        if isinstance(error, aiohttp.ConnectionTimeoutError) or (
            isinstance(error, aiohttp.ClientConnectorError)
            and error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH)
        ):
            # The address has vanished: nobody else shall wait for it.
            replica.circuit.trip()
            return "connection timed out"
        replica.circuit.failed()
        if isinstance(error, _NEVER_SENT):
            return reason
        if isinstance(error, TimeoutError):
            raise UpstreamTimeout(
                f"{self.name} did not answer within {self._silence_s:g} s"
            ) from None
        raise self._unavailable(f"broke off before it answered ({reason})") from None

    def _unavailable(self, what: str) -> UpstreamUnavailable:
        return UpstreamUnavailable(f"{self.name} {what}", details={"upstream": self.name})


class UpstreamResponse:
    """A response of a service whose body is read as it arrives.

    Args:
        response: status and headers have arrived.
        finished: called once, when the response is closed.
    """

    def __init__(self, response: aiohttp.ClientResponse, finished: Callable[[], None]) -> None:
        self._response = response
        self._finished: Callable[[], None] | None = finished
        self.status = response.status
        self.headers = response.raw_headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the parts of the body as they arrive.

        Raises:
            UpstreamUnavailable: the service closed the connection before the end.
            UpstreamTimeout: it fell silent.
        """
        try:
            while chunk := await self._response.content.readany():
                yield chunk
        except TimeoutError:
            raise UpstreamTimeout("the service fell silent in its answer") from None
        except (aiohttp.ClientError, OSError) as error:
            # aiohttp raises one and the same object for closed connections, which would keep every
            # frame that it passed.
            error.__traceback__ = None
            raise UpstreamUnavailable("the service broke off in the middle of its answer") from None

    def close(self) -> None:
        """Give the connection back if the body was read to its end; else close it."""
        finished, self._finished = self._finished, None
        if finished is not None:
            if self._response.content.at_eof():
                self._response.release()
            else:
                self._response.close()
            finished()


async def _note_reuse(_: Any, context: Any, __: Any) -> None:
    if isinstance(context.trace_request_ctx, dict):
        context.trace_request_ctx[_REUSED] = True


class _Upload:
    """A body on its way to a service."""

    def __init__(self, method: str, body: IO[bytes]) -> None:
        self._body = body
        size = body.seek(0, 2)
        self.length = None if size == 0 and method in ("GET", "HEAD") else size
        self._taken_at: float | None = None
        self.stuck = False

    def data(self) -> bytes | AsyncIterator[bytes] | None:
        """Return the body as aiohttp takes it."""
        if self.length is None:
            return None
        if self.length <= READ_SIZE:
            self._body.seek(0)
            return self._body.read()
        return self._parts(self.length)

    def watch(self, sending: asyncio.Future[Any]) -> None:
        """Cancel ``sending`` if the service does not read a part for :data:`UPLOAD_S`.

        aiohttp itself bounds the silence after an upload, not the upload.
        """
        if sending.done() or self.length is None or self.length <= READ_SIZE:
            return
        if self._taken_at is not None and time.monotonic() - self._taken_at > UPLOAD_S:
            self.stuck = True
            sending.cancel()
            return
        asyncio.get_running_loop().call_later(WATCH_S, self.watch, sending)

    async def _parts(self, length: int) -> AsyncIterator[bytes]:
        # An own position: the same file may still be on its way to the replica asked before.
        position = 0
        while position < length:
            self._body.seek(position)
            part = self._body.read(READ_SIZE)
            position += len(part)
            self._taken_at = time.monotonic()
            yield part
        self._taken_at = None
