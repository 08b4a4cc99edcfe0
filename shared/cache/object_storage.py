"""A cache in object storage or any other file system that ``fsspec`` supports."""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from shared.cache.base import Cache

_HEAD = struct.Struct(">4sQ")
_MAGIC = b"vmc1"
_SHARD = 2
"""Number of leading digits of the key that form a folder, which limits the size of folders."""
_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {
        "config_kwargs": {
            "connect_timeout": 1,
            "read_timeout": 2,
            "retries": {"max_attempts": 1, "mode": "standard"},
        }
    },
    "file": {"auto_mkdir": True},
}
"""Client options by protocol. Addresses and credentials come from the client libraries' own
configuration.
"""


class ObjectCache(Cache):
    """A cache with one object per key below a URL; each object stores its time of writing.

    Entries are not evicted. Use a bucket's lifecycle rules to limit its size.

    Args:
        url: ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``file:///folder``,
            ``memory://folder``.
        ttl_s: time from storing an entry until it expires, seconds; None: never.
        clock: returns seconds since 1970; replaced in tests.

    Raises:
        ImportError: the protocol's package is not installed.
        ValueError: unknown protocol.
    """

    def __init__(
        self, url: str, ttl_s: float | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._ttl_s = ttl_s
        self._clock = clock
        protocol = url.partition(":")[0]
        self._files, root = fsspec.core.url_to_fs(url, **_OPTIONS.get(protocol, {}))
        self._root = str(root).rstrip("/")

    def get(self, key: str) -> bytes | None:
        """Return the value stored under ``key`` or None; see :class:`Cache`."""
        try:
            stored: bytes = self._files.cat_file(self._path(key))
        except FileNotFoundError:
            return None
        if len(stored) < _HEAD.size:
            return None
        magic, written_ms = _HEAD.unpack_from(stored)
        if magic != _MAGIC:
            return None
        if self._ttl_s is not None and self._clock() - written_ms / 1000 >= self._ttl_s:
            self.delete(key)
            return None
        return stored[_HEAD.size :]

    def put(self, key: str, value: bytes) -> None:
        """Store ``value`` under ``key``; see :class:`Cache`."""
        path = self._path(key)
        data = _HEAD.pack(_MAGIC, int(self._clock() * 1000)) + value
        if isinstance(self._files, LocalFileSystem):
            # Object stores write atomically; a local file needs a rename for that.
            scratch = f"{path}.{os.getpid()}-{threading.get_ident()}.tmp"
            try:
                self._files.pipe_file(scratch, data)
                self._files.mv(scratch, path)
            except BaseException:
                with suppress(OSError):
                    self._files.rm_file(scratch)
                raise
        else:
            self._files.pipe_file(path, data)

    def delete(self, key: str) -> None:
        """Remove ``key``; see :class:`Cache`."""
        with suppress(FileNotFoundError):
            self._files.rm_file(self._path(key))

    def close(self) -> None:
        """Do nothing: ``fsspec`` keeps its connections for the lifetime of the process."""

    def _path(self, key: str) -> str:
        return f"{self._root}/{key[:_SHARD]}/{key}"
