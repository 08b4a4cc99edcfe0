"""A cache in a Redis server, shared by every machine that reaches it."""

from __future__ import annotations

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.cache.base import Cache

_TIMEOUT_S = 0.5
"""For connecting and for each answer: a server that needs longer costs more than it saves."""
_LARGEST_BYTES = 64 << 20
"""Redis takes up to 512 MB; other callers wait while it moves a value."""


class RedisCache(Cache):
    """Keys under ``prefix`` in a Redis database.

    How much it holds and what goes first is the server's own configuration (``maxmemory`` and
    ``maxmemory-policy allkeys-lru``).

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``, as the client library takes it.
        prefix: keeps the caches of one database apart.
        ttl_s: an entry is forgotten this long after it was put, seconds; None: never.

    Raises:
        ValueError: not such an address.
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
        """See :class:`Cache`."""
        value = self._redis.get(self._prefix + key)
        return value if isinstance(value, bytes) else None

    def put(self, key: str, value: bytes) -> None:
        """See :class:`Cache`."""
        if len(value) > _LARGEST_BYTES:
            self.delete(key)
            return
        self._redis.set(self._prefix + key, value, px=self._ttl_ms)

    def delete(self, key: str) -> None:
        """See :class:`Cache`."""
        self._redis.delete(self._prefix + key)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()
