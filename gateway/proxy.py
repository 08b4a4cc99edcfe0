"""Forward HTTP requests to a service and stream the response back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from gateway.upstream import Upstream, UpstreamResponse
from shared.http.server.asgi.record import Scope, record_of

Check: TypeAlias = Callable[[Scope], None]

_FORWARDED = frozenset(
    {"accept", "accept-language", "content-type", "openai-beta", "traceparent", "tracestate"}
)
"""Request headers that are passed on; the services read no others."""
_HOP_BY_HOP = frozenset(
    {
        # RFC 9110, section 7.6.1.
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te"),
        *(b"trailer", b"transfer-encoding", b"upgrade", b"proxy-connection"),
        # Written by this server itself.
        *(b"date", b"server", b"x-request-id"),
    }
)


def forwarded_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers of a request that are passed on to a service."""
    # Audio does not compress, and compression would hold back a stream.
    answer = {"Accept-Encoding": "identity"}
    for raw, value in headers:
        name = raw.decode("latin-1").lower()
        if name in _FORWARDED:
            answer[name] = value.decode("latin-1")
    return answer


def answered_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of a service's response that are passed on to the client."""
    lowered = [(name.lower(), value) for name, value in headers]
    named = {
        name.strip().lower()
        for header, value in lowered
        if header == b"connection"
        for name in value.split(b",")
    }
    dropped = _HOP_BY_HOP | named
    return [(name, value) for name, value in lowered if name not in dropped]


def query_of(scope: Scope) -> list[tuple[str, str]]:
    """Return the query parameters of a request without the token."""
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return [(name, value) for name, value in pairs if name != "token"]


class Forward:
    """An ASGI application that forwards requests to one service.

    Error responses of the service are passed on unchanged.

    Args:
        upstream: the service.
        check: refuses a request by raising a MeshError.
    """

    def __init__(self, upstream: Upstream, check: Check | None = None) -> None:
        self._upstream = upstream
        self._check = check

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Forward one request.

        Raises:
            MeshError: those of :meth:`Upstream.request`, and of a body that breaks off.
        """
        record = record_of(scope)
        if self._check is not None:
            self._check(scope)
        response = await self._upstream.request(
            scope["method"],
            scope["path"],
            query_of(scope),
            forwarded_headers(scope["headers"]),
            scope["body"],
            record,
        )
        record.when_gone(response.close)
        try:
            await _stream(response, send)
        finally:
            response.close()


async def _stream(
    response: UpstreamResponse, send: Callable[[dict[str, Any]], Awaitable[None]]
) -> None:
    chunks: AsyncIterator[bytes] = response.chunks()
    # The first chunk is awaited: a service that dies before it is an error with a status.
    chunk = await anext(chunks, None)
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": answered_headers(response.headers),
        }
    )
    while chunk is not None:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        chunk = await anext(chunks, None)
    await send({"type": "http.response.body", "body": b"", "more_body": False})
