"""A cache in a folder of this machine, shared by the processes that use the folder."""

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
"""Longest wait for another process that writes, seconds."""
_LARGEST_SHARE = 0.5
"""A value above this part of the whole would push out nearly everything else."""
_BINARY_MODES = (1, 2)
"""diskcache's modes for bytes in the table and bytes in a file; 4 would be a pickle."""


class _ForeignEntryError(Exception):
    """The folder holds something that this module never writes."""


class _BytesOnly(Disk):  # type: ignore[misc]
    """Never reads a pickle: whoever may write to the folder must not thereby run code here."""

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        """The stored bytes.

        Raises:
            _ForeignEntryError: something else is stored.
        """
        if mode not in _BINARY_MODES:
            raise _ForeignEntryError
        return super().fetch(mode, filename, value, read)


class DiskCache(Cache):
    """A ``diskcache`` folder: SQLite and files, least recently used goes first.

    Args:
        folder: made where it does not exist.
        max_bytes: of the whole folder, as nearly as SQLite allows.
        ttl_s: an entry is forgotten this long after it was put, seconds; None: never.

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
            # Busy, or not to be written: that may pass, and nothing is broken.
            raise
        except sqlite3.DatabaseError as error:
            # All of it can be made again; a cache that stays broken helps nobody.
            log.warning("a damaged cache is emptied", extra={"error": type(error).__name__})
            for left in folder.glob("cache.db*"):
                left.unlink(missing_ok=True)
            self._store = _open(folder, max_bytes)

    def get(self, key: str) -> bytes | None:
        """See :class:`Cache`."""
        try:
            value = self._store.get(key)
        except _ForeignEntryError:
            log.warning("a cache entry that is not bytes is removed")
            self._store.delete(key)
            return None
        return value if isinstance(value, bytes) else None

    def put(self, key: str, value: bytes) -> None:
        """See :class:`Cache`."""
        if len(value) > self._largest:
            self._store.delete(key)
            return
        self._store.set(key, value, expire=self._ttl_s)

    def delete(self, key: str) -> None:
        """See :class:`Cache`."""
        self._store.delete(key)

    def close(self) -> None:
        """Close this thread's connection; those of other threads close with them."""
        self._store.close()


def _open(folder: Path, max_bytes: int) -> Store:
    return Store(
        str(folder),
        timeout=_BUSY_S,
        disk=_BytesOnly,
        size_limit=max_bytes,
        eviction_policy="least-recently-used",
    )
