"""Receive request bodies completely, within limits of size and time, before any work begins.

A body is received in the event loop, so that a slow or silent client occupies no thread, no engine
and no connection to another service.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Awaitable, Callable, MutableMapping
from tempfile import SpooledTemporaryFile
from typing import IO, Any, TypeAlias, cast

from shared.core.errors import ClientGone, MalformedRequest, RequestTimedOut, TooLarge

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]

IDLE_S = 30.0
"""Longest pause between two parts of a body, seconds."""
GRACE_S = 30.0
"""Time from which on :data:`SLOWEST` applies, seconds."""
SLOWEST = 1024
"""Average speed below which a body is given up, bytes per second. Opus speech has 2 to 4 KB/s."""
IN_MEMORY = 1 << 18
"""Size up to which a body is held in memory, bytes; larger ones go to a temporary file."""


def declared_length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """Return ``Content-Length``, or None.

    Raises:
        MalformedRequest: it is not a number.
    """
    for name, value in headers:
        if name == b"content-length":
            if not value.isdigit():
                raise MalformedRequest("Content-Length is not a number")
            return int(value)
    return None


async def receive_body(
    receive: Receive, headers: list[tuple[bytes, bytes]], limit: int
) -> IO[bytes]:
    """Receive a whole body.

    Args:
        receive: of the ASGI application.
        headers: of the request.
        limit: largest size, bytes.

    Returns:
        A seekable file at its start, which the caller closes.

    Raises:
        TooLarge: the body is larger, by its declared length or in fact.
        RequestTimedOut: the client pauses too long, or sends too slowly.
        ClientGone: the client has disconnected.
        OSError: there is no room for a temporary file.
    """
    length = declared_length(headers)
    if length is not None and length > limit:
        raise TooLarge(f"the body is larger than {limit} bytes")
    whole: IO[bytes] = io.BytesIO()
    if length is None or length > IN_MEMORY:
        whole = cast(IO[bytes], SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115 - the caller closes it
    started = time.monotonic()
    size = 0
    try:
        while True:
            message = await _next(receive, started, size)
            if message["type"] == "http.disconnect":
                raise ClientGone("the client has left")
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise TooLarge(f"the body is larger than {limit} bytes")
            whole.write(part)
            if not message.get("more_body", False):
                whole.seek(0)
                return whole
    except BaseException:
        whole.close()
        raise


async def _next(receive: Receive, started: float, size: int) -> MutableMapping[str, Any]:
    allowed = GRACE_S + size / SLOWEST - (time.monotonic() - started)
    try:
        async with asyncio.timeout(min(IDLE_S, max(0.0, allowed))):
            return await receive()
    except TimeoutError:
        raise RequestTimedOut("the body did not arrive in time") from None
