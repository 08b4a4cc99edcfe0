"""A cache in the memory of this process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from shared.cache.base import Cache

_OVERHEAD = 200
"""Bytes that an entry costs beside its value: key, tuple and table slot, roughly."""


class MemoryCache(Cache):
    """Forgets what was used longest ago when it holds more than ``max_bytes``.

    Args:
        max_bytes: of all values together.
        ttl_s: an entry is forgotten this long after it was put, seconds; None: never.
        clock: seconds; replaced in tests.
    """

    def __init__(
        self,
        max_bytes: int,
        ttl_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._held = 0

    def get(self, key: str) -> bytes | None:
        """See :class:`Cache`."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            value, since = entry
            if self._ttl_s is not None and self._clock() - since >= self._ttl_s:
                self._drop(key)
                return None
            self._entries.move_to_end(key)
            return value

    def put(self, key: str, value: bytes) -> None:
        """See :class:`Cache`; a value larger than the whole cache is not kept."""
        with self._lock:
            self._drop(key)
            if len(value) + _OVERHEAD > self._max_bytes:
                return
            self._entries[key] = (value, self._clock())
            self._held += len(value) + _OVERHEAD
            while self._held > self._max_bytes:
                self._drop(next(iter(self._entries)))

    def delete(self, key: str) -> None:
        """See :class:`Cache`."""
        with self._lock:
            self._drop(key)

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self._held = 0

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._held -= len(entry[0]) + _OVERHEAD
