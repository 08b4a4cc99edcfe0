"""A cache in a local folder, shared by the processes that use the folder."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Any

from diskcache import Cache as Store
from diskcache import Disk

from shared.cache.base import Cache

log = logging.getLogger(__name__)

_BUSY_S = 1.0
"""Maximum wait for another process's write, seconds."""
_LARGEST_SHARE = 0.5
"""Maximum size of a value as a share of the cache; a larger one would evict nearly everything."""
_BINARY_MODES = (1, 2)
"""diskcache's modes for bytes in the table and bytes in a file; mode 4 would be a pickle."""


class _ForeignEntryError(Exception):
    """The folder contains an entry that this module did not write."""


class _BytesOnly(Disk):  # type: ignore[misc]
    """A ``diskcache`` backend that reads only bytes.

    Reading a pickle would let anyone with write access to the folder run code in this process.
    """

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        """Return the stored bytes.

        Raises:
            _ForeignEntryError: the entry is not bytes.
        """
        if mode not in _BINARY_MODES:
            raise _ForeignEntryError
        return super().fetch(mode, filename, value, read)


class DiskCache(Cache):
    """A least-recently-used cache in a ``diskcache`` folder (SQLite and files).

    Args:
        folder: created if it does not exist.
        max_bytes: maximum size of the folder, as exactly as SQLite allows.
        ttl_s: time from storing an entry until it expires, seconds; None: never.

    Raises:
        OSError, sqlite3.Error: the folder cannot be used.
    """

    def __init__(self, folder: Path, max_bytes: int, ttl_s: float | None = None) -> None:
        self._ttl_s = ttl_s
        self._largest = int(max_bytes * _LARGEST_SHARE)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._store = _open(folder, max_bytes)
        except sqlite3.OperationalError:
            # The database is busy or not writable. This may pass, and nothing is damaged.
            raise
        except sqlite3.DatabaseError as error:
            # All entries can be computed again, so a damaged cache is replaced with an empty one.
            log.warning("a damaged cache is emptied", extra={"error": type(error).__name__})
            for left in folder.glob("cache.db*"):
                left.unlink(missing_ok=True)
            self._store = _open(folder, max_bytes)

    def get(self, key: str) -> bytes | None:
        """Return the value stored under ``key`` or None; see :class:`Cache`."""
        try:
            value = self._store.get(key)
        except _ForeignEntryError:
            log.warning("a cache entry that is not bytes is removed")
            self._store.delete(key)
            return None
        return value if isinstance(value, bytes) else None

    def put(self, key: str, value: bytes) -> None:
        """Store ``value`` under ``key``; see :class:`Cache`."""
        if len(value) > self._largest:
            self._store.delete(key)
            return
        self._store.set(key, value, expire=self._ttl_s)

    def delete(self, key: str) -> None:
        """Remove ``key``; see :class:`Cache`."""
        self._store.delete(key)

    def close(self) -> None:
        """Close this thread's connection; other threads' connections close with their threads."""
        self._store.close()


def _open(folder: Path, max_bytes: int) -> Store:
    return Store(
        str(folder),
        timeout=_BUSY_S,
        disk=_BytesOnly,
        size_limit=max_bytes,
        eviction_policy="least-recently-used",
    )
