"""A cache in a Redis server, shared by all machines that can reach it."""

from __future__ import annotations

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.cache.base import Cache

_TIMEOUT_S = 0.5
"""Timeout for connecting and for each response, seconds; a slower server costs more than it saves.
"""
_LARGEST_BYTES = 64 << 20
"""Maximum size of a value. Redis accepts up to 512 MB, but other clients wait during the transfer.
"""


class RedisCache(Cache):
    """A cache of keys with a common ``prefix`` in a Redis database.

    Its size and eviction are configured in the server (``maxmemory`` and ``maxmemory-policy
    allkeys-lru``).

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://`` URL for the client library.
        prefix: separates several caches in one database.
        ttl_s: time from storing an entry until it expires, seconds; None: never.

    Raises:
        ValueError: invalid URL.
    """

    def __init__(self, url: str, prefix: str, ttl_s: float | None = None) -> None:
        self._prefix = prefix
        self._ttl_ms = None if ttl_s is None else max(1, int(ttl_s * 1000))
        self._redis = Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )

    def get(self, key: str) -> bytes | None:
        """Return the value stored under ``key`` or None; see :class:`Cache`."""
        value = self._redis.get(self._prefix + key)
        return value if isinstance(value, bytes) else None

    def put(self, key: str, value: bytes) -> None:
        """Store ``value`` under ``key``; see :class:`Cache`."""
        if len(value) > _LARGEST_BYTES:
            self.delete(key)
            return
        self._redis.set(self._prefix + key, value, px=self._ttl_ms)

    def delete(self, key: str) -> None:
        """Remove ``key``; see :class:`Cache`."""
        self._redis.delete(self._prefix + key)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()
