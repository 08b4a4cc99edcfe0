"""A fast cache in front of a larger one."""

from __future__ import annotations

from shared.cache.base import Cache


class TieredCache(Cache):
    """Asks ``front`` first; what only ``back`` knows is kept in ``front`` too."""

    def __init__(self, front: Cache, back: Cache) -> None:
        self._front = front
        self._back = back

    def get(self, key: str) -> bytes | None:
        """See :class:`Cache`."""
        value = self._front.get(key)
        if value is None:
            value = self._back.get(key)
            if value is not None:
                self._front.put(key, value)
        return value

    def put(self, key: str, value: bytes) -> None:
        """See :class:`Cache`; kept in front even where ``back`` fails."""
        self._front.put(key, value)
        self._back.put(key, value)

    def delete(self, key: str) -> None:
        """See :class:`Cache`."""
        self._front.delete(key)
        self._back.delete(key)

    def close(self) -> None:
        """Close both."""
        try:
            self._front.close()
        finally:
            self._back.close()
