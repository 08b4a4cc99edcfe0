"""HTTP connections that are given up when the client on whose behalf they wait has left.

Whoever calls another service blocks until it answers, and does not see meanwhile that nobody wants
the answer any more. These connections look, while they wait for an answer to begin; closing the
connection is what tells the other service.
"""

from __future__ import annotations

import time
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.wait import wait_for_read

from shared.cancellation import client_is_gone
from shared.errors import ClientGone

_WATCH_S = 0.1


class _Watching:
    """Waits for the answer's first byte, looking after the client now and then."""

    sock: Any
    timeout: Any

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
        return super().getresponse()  # type: ignore[misc]


class _WatchedHttp(_Watching, HTTPConnection):
    pass


class _WatchedHttps(_Watching, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHttp


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHttps


class WatchedAdapter(HTTPAdapter):
    """The usual adapter of ``requests`` on such connections."""

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        """See :class:`requests.adapters.HTTPAdapter`."""
        super().init_poolmanager(*arguments, **more)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
