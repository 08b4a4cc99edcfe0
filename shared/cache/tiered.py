"""A fast cache in front of a larger one."""

from __future__ import annotations

from shared.cache.base import Cache


class TieredCache(Cache):
    """A two-level cache: ``front`` is read first, and hits in ``back`` are copied to ``front``."""

    def __init__(self, front: Cache, back: Cache) -> None:
        self._front = front
        self._back = back

    def get(self, key: str) -> bytes | None:
        """Return the value stored under ``key`` or None; see :class:`Cache`."""
        value = self._front.get(key)
        if value is None:
            value = self._back.get(key)
            if value is not None:
                self._front.put(key, value)
        return value

    def put(self, key: str, value: bytes) -> None:
        """Store ``value`` under ``key`` in both; ``front`` keeps it even if ``back`` fails."""
        self._front.put(key, value)
        self._back.put(key, value)

    def delete(self, key: str) -> None:
        """Remove ``key`` from both; see :class:`Cache`."""
        self._front.delete(key)
        self._back.delete(key)

    def close(self) -> None:
        """Close both caches."""
        try:
            self._front.close()
        finally:
            self._back.close()
