"""Forward WebSocket messages and close codes between a client and a service."""

from __future__ import annotations

import logging
import threading
from urllib.parse import urlencode, urlsplit

import websocket
from simple_websocket import ConnectionClosed

from shared.core.errors import UpstreamUnavailable
from shared.core.log import request_id
from shared.http.client.pool import UpstreamPool
from shared.http.client.sockets import NO_PROXY
from shared.http.server.websocket import Socket

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
_NO_STATUS = 1005
"""RFC 6455, section 7.1.5: stands for a close frame without a code; must not be sent."""


def open_upstream(
    pool: UpstreamPool, path: str, query: list[tuple[str, str]], token: str | None, limit: int
) -> websocket.WebSocket:
    """Open a WebSocket to the first replica that accepts one.

    Raises:
        UpstreamUnavailable: no replica accepts the connection.
    """
    header = [f"X-Request-ID: {request_id.get()}"]
    if token:
        header.append(f"Authorization: Bearer {token}")
    for url in pool.replicas():
        split = urlsplit(url)
        scheme = "wss" if split.scheme == "https" else "ws"
        target = f"{scheme}://{split.netloc}{path}" + (f"?{urlencode(query)}" if query else "")
        upstream = websocket.WebSocket(enable_multithread=True, max_message_size=limit)
        try:
            upstream.settimeout(CONNECT_TIMEOUT_S)
            upstream.connect(target, header=header, suppress_origin=True, **NO_PROXY)
        except (websocket.WebSocketException, OSError) as error:
            upstream.shutdown()
            log.warning(
                "upstream socket refused",
                extra={"upstream": pool.name, "reason": type(error).__name__},
            )
            continue
        upstream.settimeout(None)
        return upstream
    raise UpstreamUnavailable(f"{pool.name} is not available", details={"upstream": pool.name})


def relay(client: Socket, upstream: websocket.WebSocket) -> None:
    """Forward messages until one side closes, then close the other side with the same code."""
    down = threading.Thread(
        target=_to_client, args=(client, upstream), name="ws-relay-down", daemon=True
    )
    down.start()
    try:
        while (message := client.receive()) is not None:
            if isinstance(message, bytes):
                upstream.send_binary(message)
            else:
                upstream.send(message)
    except (websocket.WebSocketException, OSError):
        log.info("upstream socket closed while a message was on its way")
    finally:
        code = client.close_code if client.close_code != _NO_STATUS else 1000
        try:
            upstream.send_close(code)
        except (websocket.WebSocketException, OSError):
            log.debug("upstream socket was closed already")
        upstream.shutdown()
        down.join(CONNECT_TIMEOUT_S)


def _to_client(client: Socket, upstream: websocket.WebSocket) -> None:
    try:
        while True:
            opcode, data = upstream.recv_data()
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                code = int.from_bytes(data[:2], "big") if len(data) >= 2 else 1000
                client.close(code, data[2:].decode(errors="replace"))
                return
            client.send(data if opcode == websocket.ABNF.OPCODE_BINARY else data.decode())
    except ConnectionClosed:
        log.debug("client left")
    except (websocket.WebSocketException, OSError, ValueError):
        if client.closed:
            return
        error = UpstreamUnavailable("the service broke off")
        try:
            client.send_json(error.body())
        except (ConnectionClosed, OSError):
            return
        client.close(error.ws_close, error.message)
