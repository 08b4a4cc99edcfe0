"""Calls to the replicas of one service: spread, fail over, break circuits."""

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
from shared.http.client.faults import fault_from_response
from shared.http.client.watched import WatchedAdapter

log = logging.getLogger(__name__)

Body = bytes | IO[bytes] | None
Resolver = Callable[[str, int], list[str]]

RESOLVE_EVERY_S = 5.0
"""How long a name's addresses are kept: replicas that Compose adds are found within it."""
POOL_SIZE = 64
"""Kept connections per address; more are opened under load and then dropped."""
_READ_BYTES = 1 << 16


def resolve(host: str, port: int) -> list[str]:
    """The IPv4 addresses of ``host``, sorted; raises OSError when it has none."""
    found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
    return sorted({str(entry[4][0]) for entry in found})


class UpstreamPool:
    """HTTP to the replicas of a service.

    A replica is an address of one of ``urls``; names with several addresses (scaled Compose
    services) are spread over. A request moves to the next replica when one cannot be reached, drops
    the connection before answering, or says that it is not ready; never after the first byte of an
    answer. Environment proxies are not used: these are calls inside the mesh.

    Args:
        name: of the service, for messages.
        urls: base URLs, for example ``["http://tts:5000"]``.
        token: bearer token to present.
        connect_timeout_s: to reach a replica, seconds.
        read_timeout_s: between two reads of an answer, seconds.
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
        """Close the kept connections."""
        self._session.close()

    def addresses(self) -> list[str]:
        """Base URLs of the replicas that are known now, each once; the names, where none are."""
        now = time.monotonic()
        with self._lock:
            when, found = self._known
            if now - when >= RESOLVE_EVERY_S:
                found = self._resolve_all() or found
                self._known = (now, found)
        return list(dict.fromkeys(found or [url.geturl() for url in self._urls]))

    def replicas(self) -> list[str]:
        """The same, beginning with the one whose turn it is."""
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
        """The first answer of a replica, whatever its status; its body is not read yet.

        Args:
            method: HTTP method.
            path: beginning with ``/``.
            headers: sent along; the request id and the token are added.
            params: query.
            body: bytes, or a seekable file that is read from its present position.
            stream: leave the body to be read piece by piece; close the response when done.

        Raises:
            UpstreamUnavailable: no replica could be reached.
            UpstreamTimeout: a replica took the request and did not answer in time. Such a request
                is not repeated: it may be the very one that hangs the replica.
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
            # Another replica may be ready, or have room.
            last = response
        if last is not None:
            return last
        raise UpstreamUnavailable(
            f"{self.name} is not available ({reason})", details={"upstream": self.name}
        )

    def json(self, method: str, path: str, **kwargs: Any) -> Any:
        """The JSON of an answer.

        Raises:
            MeshError: the one that an error answer names, or those of :meth:`request`.
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
        """The body that one replica answers to a GET, whole; says nothing to its circuit.

        Args:
            url: one of :meth:`addresses`.
            path: beginning with ``/``.
            within_s: given up after about twice this time, however it is spent, seconds.
            most_bytes: largest body taken.

        Raises:
            UpstreamUnavailable: it did not answer 200 with such a body in time; the message has
                the reason.
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
        """Whether a replica says that it is ready."""
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
                # A kept connection that the other side closed meanwhile fails on first use: that
                # says nothing about the replica. A refused one is refused again just as fast.
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
                # The certificate is for the name.
                found.append(url.geturl())
                continue
            try:
                addresses = self._resolver(url.hostname or "", port)
            except OSError:
                continue
            found += [f"{url.scheme}://{address}:{port}{url.path}" for address in addresses]
        return found
