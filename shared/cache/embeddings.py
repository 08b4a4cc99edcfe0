"""A cache for voice embeddings: named arrays stored under a digest of the recording."""

from __future__ import annotations

import io
import logging
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from shared.cache.base import Cache
from shared.core.metrics import CACHE_EVENTS

log = logging.getLogger(__name__)

Arrays = dict[str, NDArray[np.generic]]
"""Named arrays of numbers or fixed-width text; Python objects are not allowed."""


_ZIP = b"PK"


class EmbeddingCache:
    """A cache of named arrays, stored as ``.npz`` bytes with checksums and without pickles.

    Args:
        cache: the underlying cache of bytes.
        name: label of the metric, which counts ``hit``, ``miss`` and ``error`` (a damaged entry).
    """

    def __init__(self, cache: Cache, name: str = "voice") -> None:
        self._cache = cache
        self._name = name

    def get(self, key: str) -> Arrays | None:
        """Return the arrays under ``key`` (:func:`.base.cache_key`), or None if there are none.

        A damaged entry is logged, deleted and counted both as an error and as a miss.
        """
        data = self._cache.get(key)
        arrays = None if data is None else self._read(key, data)
        self._count("miss" if arrays is None else "hit")
        return arrays

    def put(self, key: str, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Store ``arrays`` under ``key``.

        Raises:
            TypeError: an array holds Python objects.
        """
        for name, array in arrays.items():
            if np.asarray(array).dtype.hasobject:
                raise TypeError(f"array '{name}' holds Python objects")
        out = io.BytesIO()
        np.savez(out, allow_pickle=False, **{n: np.asarray(a) for n, a in arrays.items()})
        self._cache.put(key, out.getvalue())

    def close(self) -> None:
        """Close the underlying cache."""
        self._cache.close()

    def _read(self, key: str, data: bytes) -> Arrays | None:
        try:
            if not data.startswith(_ZIP):
                raise ValueError("not an archive of arrays")
            with np.load(io.BytesIO(data), allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            log.warning("a remembered voice is damaged", extra={"error": type(error).__name__})
            self._count("error")
            self._cache.delete(key)
            return None

    def _count(self, event: str) -> None:
        CACHE_EVENTS.labels(cache=self._name, event=event).inc()
