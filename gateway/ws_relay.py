"""Forward WebSocket messages, close codes and reasons between a client and a service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import aiohttp
from yarl import URL

from gateway.upstream import Upstream
from shared.core.errors import UpstreamUnavailable
from shared.http.server.asgi.socket import AsyncSocket, SocketClosed

log = logging.getLogger(__name__)

HANDSHAKE_S = 5.0
PING_S = 20.0
"""A service that does not answer a ping in half of this time is given up, seconds."""
SEND_S = 30.0
"""Longest time that a service may take to read a message, seconds."""
_NO_STATUS = (1005, 1006)
"""RFC 6455, section 7.1.5: stand for a close frame without a code; must not be sent."""


def relay_to(upstream: Upstream, path: str, limit: int) -> Callable[[AsyncSocket], Awaitable[None]]:
    """Return a WebSocket handler that connects each session with ``path`` of a service.

    Args:
        upstream: the service.
        path: path of the service's WebSocket.
        limit: largest message, bytes.
    """

    async def session(client: AsyncSocket) -> None:
        async with await _connect(upstream, path, client, limit) as service:
            await _relay(client, service)

    return session


async def _connect(
    upstream: Upstream, path: str, client: AsyncSocket, limit: int
) -> aiohttp.ClientWebSocketResponse:
    """Open a WebSocket to the first replica that accepts one.

    Raises:
        UpstreamUnavailable: no replica accepts the connection.
    """
    query = [(name, value) for name, value in client.query.multi_items() if name != "token"]
    for replica in await upstream.candidates():
        if not replica.circuit.allow():
            continue
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                service = await upstream.sockets.ws_connect(
                    URL(replica.url + path).with_query(query),
                    headers=upstream.headers(),
                    heartbeat=PING_S,
                    max_msg_size=limit,
                    compress=0,
                )
            replica.circuit.succeeded()
            return service
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if isinstance(error, aiohttp.WSServerHandshakeError):
                replica.circuit.succeeded()
            else:
                replica.circuit.failed()
            log.warning(
                "upstream socket refused",
                extra={"upstream": upstream.name, "reason": type(error).__name__},
            )
    raise UpstreamUnavailable(
        f"{upstream.name} is not available", details={"upstream": upstream.name}
    )


async def _relay(client: AsyncSocket, service: aiohttp.ClientWebSocketResponse) -> None:
    """Forward messages until one side closes, then close the other side with the same code."""
    up = asyncio.create_task(_to_service(client, service))
    down = asyncio.create_task(_to_client(client, service))
    try:
        await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
    finally:
        up.cancel()
        down.cancel()
        await asyncio.gather(up, down, return_exceptions=True)
    if client.closed and not service.closed:
        code = client.close_code if client.close_code not in _NO_STATUS else 1000
        async with asyncio.timeout(HANDSHAKE_S):
            await service.close(code=code, message=client.close_reason.encode())
        return
    if not client.closed:
        fault = UpstreamUnavailable("the service broke off")
        await client.refuse(fault)


async def _to_service(client: AsyncSocket, service: aiohttp.ClientWebSocketResponse) -> None:
    while (message := await client.receive()) is not None:
        try:
            async with asyncio.timeout(SEND_S):
                if isinstance(message, bytes):
                    await service.send_bytes(message)
                else:
                    await service.send_str(message)
        except (aiohttp.ClientError, OSError, TimeoutError):
            log.info("upstream socket closed while a message was on its way")
            return


async def _to_client(client: AsyncSocket, service: aiohttp.ClientWebSocketResponse) -> None:
    while True:
        message = await service.receive()
        try:
            if message.type is aiohttp.WSMsgType.TEXT or message.type is aiohttp.WSMsgType.BINARY:
                await client.send(message.data)
            else:
                if message.type is aiohttp.WSMsgType.CLOSE:
                    # aiohttp gives 0 for a close frame without a code.
                    code = 1000 if message.data in (None, 0, *_NO_STATUS) else message.data
                    await client.close(code, message.extra or "")
                return
        except SocketClosed:
            log.debug("client left")
            return
