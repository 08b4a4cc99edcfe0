"""The interface of all caches, and the computation of cache keys.

A cache maps a digest (:func:`cache_key`) to bytes. It may drop entries at any time; the mesh then
works the same, only slower. Implementations are in ``shared/cache``. A service opens the one in its
settings with :func:`shared.cache.open_cache`, which also guards it: calls to a store that is down
are skipped and counted, and the store is tried again later.
"""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Self

import numpy as np


class Cache(ABC):
    """A thread-safe store of bytes under hexadecimal keys.

    Every method may raise any error of the underlying store. Only
    :class:`shared.cache.guarded.GuardedCache` turns errors into misses. Use it in a ``with``
    statement, or call :meth:`close`.
    """

    @abstractmethod
    def get(self, key: str) -> bytes | None:
        """Return the value stored under ``key``; None if it is unknown, dropped or expired."""

    @abstractmethod
    def put(self, key: str, value: bytes) -> None:
        """Store ``value``, unless it is too large for the cache; other entries may be evicted."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove ``key``; do nothing if it is unknown."""

    @abstractmethod
    def close(self) -> None:
        """Release connections and files. Safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def cache_key(**facts: object) -> str:
    """Return a digest of all facts that determine the cached value.

    Facts are first written in a canonical form. The order of names and the type of mapping,
    sequence or number do not matter (``1`` and ``1.0`` are equal), while values of different kinds
    always differ (``"1"`` and ``1``, ``["a,b"]`` and ``["a", "b"]``).

    Args:
        facts: strings, bytes, numbers, booleans, None, and mappings, sequences and sets of them.
            Bytes may be large (a recording): only their digest is used.

    Returns:
        64 hexadecimal digits (SHA-256).

    Raises:
        TypeError: a fact of another type, whose text may change between runs.
        ValueError: a number is not finite.
    """
    text = json.dumps(_canonical(facts), separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _canonical(value: object) -> list[object]:
    """Return ``value`` as JSON data in which every value is tagged with its kind."""
    match value:
        case None:
            return ["none"]
        case bool():
            return ["bool", value]
        case str():
            return ["text", value]
        case bytes() | bytearray() | memoryview():
            return ["bytes", hashlib.sha256(value).hexdigest()]
        case int() | np.integer():
            return ["number", str(int(value))]
        case float() | np.floating():
            return ["number", _number(float(value))]
        case Mapping():
            return ["map", sorted([_canonical(k), _canonical(v)] for k, v in value.items())]
        case AbstractSet():
            return ["set", sorted(_canonical(item) for item in value)]
        case Sequence():
            return ["list", [_canonical(item) for item in value]]
    raise TypeError(f"a {type(value).__name__} cannot be part of a cache key")


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError("a cache key needs finite numbers")
    return str(int(value)) if value.is_integer() else repr(value)
