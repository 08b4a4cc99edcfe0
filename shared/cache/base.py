"""One interface for everything that is kept so that it need not be made again.

A cache maps a digest (:func:`cache_key`) to bytes. It may forget at any time, and the mesh works
the same without it, only slower. Implementations live in ``shared/cache``; a service opens the one
that its settings name with :func:`shared.cache.open_cache`, which also guards it: a store that is
down is skipped, counted and tried again later.
"""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import TracebackType
from typing import Self

import numpy as np


class Cache(ABC):
    """Bytes under hexadecimal keys; safe to use from several threads.

    Every method may raise whatever the store behind it raises; only
    :class:`shared.cache.guard.GuardedCache` turns that into a miss. Use it in a ``with``
    statement, or call :meth:`close`.
    """

    @abstractmethod
    def get(self, key: str) -> bytes | None:
        """What was put under ``key``; None where it is unknown, forgotten or too old."""

    @abstractmethod
    def put(self, key: str, value: bytes) -> None:
        """Keep ``value``, unless it is larger than the cache likes; other values may have to go."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Forget ``key``; no error where it is unknown."""

    @abstractmethod
    def close(self) -> None:
        """Give back connections and files. Safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def cache_key(**facts: object) -> str:
    """A digest of everything that decides what is cached.

    Facts are written in one canonical form first, so that neither the order of names nor
    the kind of mapping, sequence or number matters (``1`` and ``1.0`` are one fact), while values
    of different kinds never look alike (``"1"`` and ``1``, ``["a,b"]`` and ``["a", "b"]``).

    Args:
        facts: strings, bytes, numbers, booleans, None, and mappings, sequences and sets of them.
            Bytes may be large (a recording): only their digest enters.

    Returns:
        64 hexadecimal digits (SHA-256).

    Raises:
        TypeError: a fact of another kind, whose text need not be the same tomorrow.
        ValueError: a number that is not finite.
    """
    text = json.dumps(_canonical(facts), separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _canonical(value: object) -> list[object]:
    """``value`` as JSON in which every value carries its kind."""
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
