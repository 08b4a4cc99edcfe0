"""The replicas of one service: their addresses, how busy each is, and their circuits."""

from __future__ import annotations

import itertools
import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from urllib.parse import SplitResult, urlsplit

from shared.core.breaker import CircuitBreaker

log = logging.getLogger(__name__)

Resolver = Callable[[str, int], list[str]]

RESOLVE_EVERY_S = 5.0
"""How long addresses are cached, seconds; replicas added by Compose are found within this time."""
STALE_S = 0.2
"""Time within which a kept connection that was closed by the server fails on its next use."""


def resolve(host: str, port: int) -> list[str]:
    """Return the IPv4 addresses of ``host``, or its IPv6 addresses where it has no others, sorted.

    A host with both kinds is one replica, not two.

    Raises:
        OSError: the host has no address.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    by_family = {entry[0]: {str(e[4][0]) for e in found if e[0] == entry[0]} for entry in found}
    return sorted(by_family.get(socket.AF_INET) or by_family.get(socket.AF_INET6) or ())


class Replica:
    """One address of a service.

    Attributes:
        url: base URL with the address.
        circuit: opens after failures of the connection.
        busy: requests at work.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.circuit = CircuitBreaker()
        self.busy = 0


class Replicas:
    """All replicas of a service, found by resolving the host names of ``urls``; thread-safe.

    Args:
        name: name of the service, for messages.
        urls: base URLs, for example ``["http://tts:5000"]``.
        resolver: gives the addresses of a host.

    Raises:
        ValueError: there is no URL.
    """

    def __init__(self, name: str, urls: Sequence[str], resolver: Resolver = resolve) -> None:
        if not urls:
            raise ValueError(f"{name}: no upstream URL")
        self.name = name
        self._urls = [urlsplit(url.rstrip("/")) for url in urls]
        self._resolver = resolver
        self._lock = threading.Lock()
        self._known: dict[str, Replica] = {}
        self._found: list[str] = []
        self._resolved_at = -RESOLVE_EVERY_S
        self._turn = itertools.count()

    def is_stale(self) -> bool:
        """Return whether the addresses are older than :data:`RESOLVE_EVERY_S`."""
        return time.monotonic() - self._resolved_at >= RESOLVE_EVERY_S

    def is_resolved(self) -> bool:
        """Return whether any host name has resolved yet."""
        with self._lock:
            return bool(self._found)

    def refresh(self) -> None:
        """Resolve the host names again; blocks. Names that do not resolve keep their addresses."""
        self._resolved_at = time.monotonic()
        found = [url for split in self._urls for url in self._resolved(split)]
        with self._lock:
            self._found = list(dict.fromkeys(found)) or self._found

    def addresses(self) -> list[str]:
        """Return the base URL of each replica; the configured ones where nothing resolves."""
        if self.is_stale():
            self.refresh()
        return self.known_addresses()

    def known_addresses(self) -> list[str]:
        """Return the addresses found so far, without resolving anything."""
        with self._lock:
            return self._found or [split.geturl() for split in self._urls]

    def by_load(self, urls: Sequence[str]) -> list[Replica]:
        """Return the replicas of ``urls``, the least busy first; equal ones take turns."""
        with self._lock:
            start = next(self._turn) % len(urls)
            turned = [*urls[start:], *urls[:start]]
            replicas = [self._known.setdefault(url, Replica(url)) for url in turned]
            return sorted(replicas, key=lambda replica: replica.busy)

    def begin(self, replica: Replica) -> None:
        """Note that ``replica`` works on one more request."""
        with self._lock:
            replica.busy += 1

    def end(self, replica: Replica) -> None:
        """Note that ``replica`` has finished a request."""
        with self._lock:
            replica.busy -= 1

    def _resolved(self, split: SplitResult) -> list[str]:
        host = split.hostname or ""
        port = split.port or (443 if split.scheme == "https" else 80)
        if split.scheme == "https":
            # The certificate is for the name.
            return [split.geturl()]
        try:
            addresses = self._resolver(host, port)
        except OSError:
            log.warning("name does not resolve", extra={"upstream": self.name, "host": host})
            return []
        hosts = [f"[{address}]" if ":" in address else address for address in addresses]
        return [split._replace(netloc=f"{name}:{port}").geturl() for name in hosts]
