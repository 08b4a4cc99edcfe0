"""HTTP connections that are given up when the client on whose behalf they wait has left.

Whoever calls another service blocks until it answers, and does not see meanwhile that nobody wants
the answer any more. These connections look, while they wait for an answer to begin; closing the
connection is what tells the other service.
"""

from __future__ import annotations

import http.client
import socket
import time
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.wait import wait_for_read

from shared.core.cancellation import client_is_gone
from shared.core.errors import ClientGone
from shared.http.client.watchdog import Watchdog

_WATCH_S = 0.1


class _WatchedHttp(HTTPConnection):
    """Waits for the answer's first byte, looking after the client now and then."""

    def getresponse(self) -> Any:
        """See :class:`urllib3.connection.HTTPConnection`.

        Raises:
            ClientGone: the current client has left.
            TimeoutError: nothing came within the connection's read time-out.
        """
        # The socket's own is still the one for connecting; urllib3 sets it in the call below.
        limit = self.timeout
        started = time.monotonic()
        while not wait_for_read(self.sock, timeout=_WATCH_S):
            if client_is_gone():
                raise ClientGone("the client has left")
            if limit is not None and time.monotonic() - started > limit:
                raise TimeoutError("no answer in time")
        return super().getresponse()


class _WatchedHttps(HTTPSConnection):
    """The same through TLS, whose own messages arrive before an answer does.

    So a thread looks after the client, and ends the read from below TLS.
    """

    def getresponse(self) -> Any:
        """See :class:`urllib3.connection.HTTPSConnection`.

        Raises:
            ClientGone: the current client has left.
        """
        with Watchdog(self._hang_up) as dog:
            try:
                return super().getresponse()
            except (OSError, http.client.HTTPException):
                if dog.verdict == "client_gone":
                    raise ClientGone("the client has left") from None
                raise

    def _hang_up(self) -> None:
        # Not the method of the TLS socket, which would take its state from under the reader.
        socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHttp


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHttps


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class WatchedAdapter(HTTPAdapter):
    """The usual adapter of ``requests`` on such connections."""

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        """See :class:`requests.adapters.HTTPAdapter`."""
        super().init_poolmanager(*arguments, **more)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *arguments: Any, **more: Any) -> Any:
        """See :class:`requests.adapters.HTTPAdapter`."""
        manager = super().proxy_manager_for(*arguments, **more)
        manager.pool_classes_by_scheme = _POOLS
        return manager
