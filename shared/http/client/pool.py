"""Retry and circuit-breaking HTTP client for the replicas of one service."""

from __future__ import annotations

import itertools
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any
from urllib.parse import urlsplit

import requests
import urllib3

from shared.core.breaker import CircuitBreaker
from shared.core.errors import MeshError, UpstreamTimeout, UpstreamUnavailable
from shared.core.log import request_id
from shared.http.client.error_parsing import fault_from_response
from shared.http.client.watched_connections import WatchedAdapter

log = logging.getLogger(__name__)

Body = bytes | IO[bytes] | None
Resolver = Callable[[str, int], list[str]]

RESOLVE_EVERY_S = 5.0
"""How long addresses are cached, seconds; replicas added by Compose are found within this time."""
POOL_SIZE = 64
"""Kept-alive connections per address; further ones are opened under load and closed after use."""
_READ_BYTES = 1 << 16


def resolve(host: str, port: int) -> list[str]:
    """Return the IPv4 addresses of ``host``, sorted.

    Raises:
        OSError: the host has no address.
    """
    found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
    return sorted({str(entry[4][0]) for entry in found})


class UpstreamPool:
    """An HTTP client for the replicas of one service.

    A replica is an address of one of ``urls``; requests are distributed over all addresses of a
    name (scaled Compose services). A request is retried on the next replica if a replica cannot be
    reached, closes the connection before responding, or responds with 503. It is not retried after
    a read timeout or after the first byte of a response. Environment proxies are not used, because
    these calls stay inside the mesh.

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
        if not urls:
            raise ValueError(f"{name}: no upstream URL")
        self.name = name
        self._urls = [urlsplit(url.rstrip("/")) for url in urls]
        self._token = token
        self._timeout = (connect_timeout_s, read_timeout_s)
        self._resolver = resolver
        self._lock = threading.Lock()
        self._breakers: dict[str, CircuitBreaker] = {}
        self._known: tuple[float, list[str]] = (-RESOLVE_EVERY_S, [])
        self._turn = itertools.count()
        self._session = requests.Session()
        self._session.trust_env = False
        adapter = WatchedAdapter(pool_connections=16, pool_maxsize=POOL_SIZE, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def close(self) -> None:
        """Close the kept-alive connections."""
        self._session.close()

    def addresses(self) -> list[str]:
        """Return the base URLs of the known replicas, each once.

        If no name can be resolved, the configured URLs are returned.
        """
        now = time.monotonic()
        with self._lock:
            when, found = self._known
            if now - when >= RESOLVE_EVERY_S:
                found = self._resolve_all() or found
                self._known = (now, found)
        return list(dict.fromkeys(found or [url.geturl() for url in self._urls]))

    def replicas(self) -> list[str]:
        """Return the same URLs as :meth:`addresses`, rotated in round-robin order."""
        found = self.addresses()
        with self._lock:
            start = next(self._turn) % len(found)
        return found[start:] + found[:start]

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
        last: requests.Response | None = None
        reason = "every circuit is open"
        for url in self.replicas():
            breaker = self._breaker(url)
            if not breaker.allow():
                continue
            try:
                response = self._send(method, url + path, send, params, body, start, stream)
            except requests.Timeout as error:
                breaker.failed()
                if not isinstance(error, requests.ConnectTimeout):
                    if last is not None:
                        last.close()
                    raise UpstreamTimeout(
                        f"{self.name} did not answer within {self._timeout[1]:g} s"
                    ) from None
                reason = "connection timed out"
                continue
            except requests.RequestException as error:
                breaker.failed()
                reason = type(error).__name__
                log.warning("upstream failed", extra={"upstream": self.name, "reason": reason})
                continue
            breaker.succeeded()
            if last is not None:
                last.close()
            if response.status_code != 503:
                return response
            # Try the next replica, which may be ready or have capacity.
            last = response
        if last is not None:
            return last
        raise UpstreamUnavailable(
            f"{self.name} is not available ({reason})", details={"upstream": self.name}
        )

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

    def read_from(self, url: str, path: str, *, within_s: float, most_bytes: int) -> bytes:
        """Send a GET to one replica and return the whole body, without using its circuit breaker.

        Args:
            url: one of :meth:`addresses`.
            path: beginning with ``/``.
            within_s: time limit, seconds; the call may take up to about twice as long.
            most_bytes: maximum size of the body.

        Raises:
            UpstreamUnavailable: there was no complete response with status 200 within the limits;
                the message has the reason.
        """
        headers = {"Accept-Encoding": "identity"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        limits = (within_s, within_s)
        give_up = time.monotonic() + within_s
        body = bytearray()
        try:
            with self._send("GET", url + path, headers, None, None, 0, True, limits) as response:
                if response.status_code != 200:
                    raise UpstreamUnavailable(f"status {response.status_code}")
                while piece := response.raw.read1(_READ_BYTES):
                    body += piece
                    if len(body) > most_bytes:
                        raise UpstreamUnavailable(f"more than {most_bytes} bytes")
                    if time.monotonic() > give_up:
                        raise UpstreamUnavailable(f"not whole within {within_s:g} s")
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise UpstreamUnavailable(type(error).__name__) from None
        return bytes(body)

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
        limits: tuple[float, float] | None = None,
    ) -> requests.Response:
        for fresh in (False, True):
            if body is not None and not isinstance(body, bytes):
                body.seek(start)
            try:
                return self._session.request(
                    method,
                    url,
                    headers={**headers, "Connection": "close"} if fresh else dict(headers),
                    params=params,
                    data=body,
                    stream=stream,
                    timeout=limits or self._timeout,
                    allow_redirects=False,
                )
            except requests.ConnectionError as error:
                # A kept-alive connection that the server has closed fails on its next use, which
                # says nothing about the replica. If the replica refuses connections, the second
                # attempt fails just as fast.
                if fresh or isinstance(error, requests.Timeout):
                    raise
        raise AssertionError("unreachable")

    def _breaker(self, url: str) -> CircuitBreaker:
        with self._lock:
            return self._breakers.setdefault(url, CircuitBreaker())

    def _resolve_all(self) -> list[str]:
        found: list[str] = []
        for url in self._urls:
            port = url.port or (443 if url.scheme == "https" else 80)
            if url.scheme == "https":
                # The certificate is issued for the name, so the address is not used.
                found.append(url.geturl())
                continue
            try:
                addresses = self._resolver(url.hostname or "", port)
            except OSError:
                continue
            found += [f"{url.scheme}://{address}:{port}{url.path}" for address in addresses]
        return found
