"""Retry and circuit-breaking HTTP client for the replicas of one service."""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import IO, Any

import requests
from urllib3.exceptions import NewConnectionError

from shared.core.errors import MeshError, UpstreamTimeout, UpstreamUnavailable
from shared.core.log import request_id
from shared.http.client.error_parsing import fault_from_response
from shared.http.client.replicas import STALE_S, Replica, Replicas, Resolver, resolve
from shared.http.client.watched_connections import WatchedAdapter, connected

log = logging.getLogger(__name__)

Body = bytes | IO[bytes] | None
POOL_SIZE = 64
"""Kept-alive connections per address; further ones are opened under load and closed after use."""


class UpstreamPool:
    """An HTTP client for the replicas of one service.

    A replica is an address of one of ``urls``; the least busy one is asked. The next one is asked
    if no connection comes about, or if the response is a 503. Once a part of a request was sent it
    is not repeated, because it may be what killed the replica; the exception is a kept connection
    that turns out to be closed. Environment proxies are not used, because these calls stay inside
    the mesh.

    Args:
        name: name of the service, for messages.
        urls: base URLs, for example ``["http://tts:5000"]``.
        token: bearer token to send.
        connect_timeout_s: timeout for connecting to a replica, seconds.
        read_timeout_s: timeout between two reads of a response, seconds.
    """

    def __init__(
        self,
        name: str,
        urls: Sequence[str],
        *,
        token: str | None = None,
        connect_timeout_s: float = 2.0,
        read_timeout_s: float = 120.0,
        resolver: Resolver = resolve,
    ) -> None:
        self.name = name
        self._replicas = Replicas(name, urls, resolver)
        self._token = token
        self._timeout = (connect_timeout_s, read_timeout_s)
        self._session = requests.Session()
        self._session.trust_env = False
        adapter = WatchedAdapter(pool_connections=16, pool_maxsize=POOL_SIZE, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def close(self) -> None:
        """Close the kept-alive connections."""
        self._session.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
        body: Body = None,
        stream: bool = True,
    ) -> requests.Response:
        """Send a request and return the first replica's response, whatever its status.

        With ``stream`` the body has not been read yet.

        Args:
            method: HTTP method.
            path: beginning with ``/``.
            headers: headers to send; the request id and the token are added.
            params: query parameters.
            body: bytes, or a seekable file that is read from its current position.
            stream: leave the body to be read in chunks; the caller closes the response.

        Raises:
            UpstreamUnavailable: no replica could be reached.
            UpstreamTimeout: a replica accepted the request and did not respond in time. Such a
                request is not retried, since it may be the cause of the hang.
            ClientGone: the client disconnected while waiting for the response.
        """
        send = {"X-Request-ID": request_id.get(), **(headers or {})}
        if self._token and "Authorization" not in send:
            send["Authorization"] = f"Bearer {self._token}"
        start = body.tell() if body is not None and not isinstance(body, bytes) else 0
        busy: requests.Response | None = None
        reason = "every circuit is open"
        for replica in self._replicas.by_load(self._replicas.addresses()):
            if not replica.circuit.allow():
                continue
            self._replicas.begin(replica)
            try:
                response = self._send(method, replica.url + path, send, params, body, start, stream)
            except BaseException as error:
                self._replicas.end(replica)
                try:
                    if not isinstance(error, requests.RequestException):
                        raise
                    reason = self._failed(replica, error)
                except BaseException:
                    if busy is not None:
                        busy.close()
                    raise
                continue
            # The replica is busy until the response is closed and dropped.
            weakref.finalize(response, self._replicas.end, replica)
            replica.circuit.succeeded()
            if busy is not None:
                busy.close()
            if response.status_code != 503:
                return response
            # The next replica may be ready, or have room.
            busy = response
        if busy is not None:
            return busy
        raise UpstreamUnavailable(
            f"{self.name} is not available ({reason})", details={"upstream": self.name}
        )

    def _failed(self, replica: Replica, error: requests.RequestException) -> str:
        """Note a failure of the connection to ``replica``.

        Returns:
            The reason, where no byte of the request went out, so that another replica may be asked.

        Raises:
            UpstreamTimeout, UpstreamUnavailable: the replica has the request. It may be the cause
                of the failure, so that it is not sent again.
        """
        reason = type(error).__name__
        log.warning("upstream failed", extra={"upstream": self.name, "reason": reason})
        if isinstance(error, requests.ConnectTimeout):
            # The address has vanished: nobody else shall wait for it.
            replica.circuit.trip()
            return "connection timed out"
        replica.circuit.failed()
        if _is_refused(error):
            return reason
        if isinstance(error, requests.Timeout):
            raise UpstreamTimeout(
                f"{self.name} did not answer within {self._timeout[1]:g} s"
            ) from None
        raise UpstreamUnavailable(
            f"{self.name} broke off before it answered ({reason})", details={"upstream": self.name}
        ) from None

    def json(self, method: str, path: str, **kwargs: Any) -> Any:
        """Send a request and return the JSON of the response.

        Raises:
            MeshError: the error described by an error response, or those of :meth:`request`.
        """
        response = self.request(method, path, **kwargs)
        if response.status_code >= 400:
            raise fault_from_response(response)
        try:
            return response.json()
        except (ValueError, requests.RequestException):
            raise UpstreamUnavailable(f"{self.name} sent no JSON") from None
        finally:
            response.close()

    def is_ready(self) -> bool:
        """Return whether a replica reports that it is ready."""
        try:
            response = self.request("GET", "/readyz")
        except MeshError:
            return False
        response.close()
        return response.status_code == 200

    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        params: Any,
        body: Body,
        start: int,
        stream: bool,
    ) -> requests.Response:
        for fresh in (False, True):
            if body is not None and not isinstance(body, bytes):
                body.seek(start)
            connected.set(False)
            sent_at = time.monotonic()
            try:
                return self._session.request(
                    method,
                    url,
                    headers={**headers, "Connection": "close"} if fresh else dict(headers),
                    params=params,
                    data=body,
                    stream=stream,
                    timeout=self._timeout,
                    allow_redirects=False,
                )
            except requests.ConnectionError as error:
                # A kept connection that the server has closed meanwhile fails at once on its next
                # use, which says nothing about the replica.
                stale = not connected.get() and time.monotonic() - sent_at < STALE_S
                if fresh or not stale or isinstance(error, requests.Timeout):
                    raise
        raise AssertionError("unreachable")


def _is_refused(error: requests.RequestException) -> bool:
    """Return whether no connection came about, so that nothing of the request was sent."""
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)
