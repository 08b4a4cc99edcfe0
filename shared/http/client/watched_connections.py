"""HTTP connections that abort a request when the client waiting for it has disconnected.

A call to another service blocks until the response begins, and would not notice a disconnect
meanwhile. These connections check for it while they wait. Closing the connection cancels the
request in the other service.
"""

from __future__ import annotations

import http.client
import socket
import time
from contextvars import ContextVar
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.wait import wait_for_read

from shared.core.cancellation import client_is_gone
from shared.core.errors import ClientGone
from shared.http.client.watchdog import Watchdog

_WATCH_S = 0.1
_SEND_S = 30.0
"""Longest wait for the other side to take a part of a body, seconds."""

connected: ContextVar[bool] = ContextVar("connected", default=False)
"""Whether a new connection was opened since this was set to False; else a kept one was used."""


class _Opening:
    """Notes that a connection was opened, and bounds the time to send on it."""

    sock: Any

    def connect(self) -> None:
        """Connect; see :class:`urllib3.connection.HTTPConnection`."""
        super().connect()  # type: ignore[misc]  # mixed into the connections of urllib3
        connected.set(True)
        # urllib3 would keep the time-out of connecting for sending the body.
        self.sock.settimeout(_SEND_S)


class _WatchedHttp(_Opening, HTTPConnection):
    """An HTTP connection that polls for a client disconnect while it waits for the first byte."""

    def getresponse(self) -> Any:
        """Return the response; see :class:`urllib3.connection.HTTPConnection`.

        Raises:
            ClientGone: the current client has disconnected.
            TimeoutError: no data arrived within the connection's read timeout.
        """
        # The socket has the timeout of sending or of its last read; urllib3 sets that of this read
        # in the call below.
        limit = self.timeout
        started = time.monotonic()
        while not wait_for_read(self.sock, timeout=_WATCH_S):
            if client_is_gone():
                raise ClientGone("the client has left")
            if limit is not None and time.monotonic() - started > limit:
                raise TimeoutError("no answer in time")
        return super().getresponse()


class _WatchedHttps(_Opening, HTTPSConnection):
    """An HTTPS connection that aborts a read when the client disconnects.

    TLS messages may arrive before the response, so a readable socket does not mean that the
    response has begun. A watchdog thread therefore checks for the disconnect and shuts down the TCP
    socket.
    """

    def getresponse(self) -> Any:
        """Return the response; see :class:`urllib3.connection.HTTPSConnection`.

        Raises:
            ClientGone: the current client has disconnected.
        """
        with Watchdog(self._hang_up) as dog:
            try:
                return super().getresponse()
            except (OSError, http.client.HTTPException):
                if dog.verdict == "client_gone":
                    raise ClientGone("the client has left") from None
                raise

    def _hang_up(self) -> None:
        # The TLS socket's own method would discard its state while the other thread reads.
        socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHttp


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHttps


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class WatchedAdapter(HTTPAdapter):
    """A ``requests`` adapter whose connections watch for client disconnects."""

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        """Create the pool manager; see :class:`requests.adapters.HTTPAdapter`."""
        super().init_poolmanager(*arguments, **more)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *arguments: Any, **more: Any) -> Any:
        """Return the manager for a proxy; see :class:`requests.adapters.HTTPAdapter`."""
        manager = super().proxy_manager_for(*arguments, **more)
        manager.pool_classes_by_scheme = _POOLS
        return manager
