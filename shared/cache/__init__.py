"""Open the cache that a settings URL names."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from shared.cache.base import Cache
from shared.cache.guarded import GuardedCache
from shared.cache.memory import MemoryCache
from shared.cache.tiered import TieredCache
from shared.core.errors import InvalidRequest, NotReady

FRONT_BYTES = 64 << 20
"""Maximum size of the memory cache in front of another cache, bytes."""

_FRONT_SHARE = 10
"""The TTL of an entry divided by its maximum time in the front cache."""

_OBJECTS = {
    "s3": ("s3fs", "cache-s3"),
    "gs": ("gcsfs", "cache-gcs"),
    "gcs": ("gcsfs", "cache-gcs"),
    "file": ("fsspec", "cache-objects"),
}
"""Scheme → module that fsspec needs for it, and the extra that installs it."""
_REDIS = ("redis", "rediss", "unix")
_KINDS = "none, memory:, disk:, disk:/folder, redis://…, s3://bucket/prefix, gs://…, file:///folder"


def open_cache(
    url: str,
    *,
    name: str,
    home: Path,
    max_bytes: int,
    ttl_s: float = 0.0,
    front_bytes: int = FRONT_BYTES,
) -> Cache | None:
    """Open the cache that ``url`` names, with a memory cache in front of it.

    Caches other than ``memory:`` are wrapped in a :class:`GuardedCache`, so errors of the store are
    not raised. A store that cannot be reached now is not an error: it is tried again when it is
    used.

    Args:
        url: ``none``; ``memory:``; ``disk:`` (a folder below ``home``) or ``disk:/folder``;
            ``redis://``, ``rediss://``, ``unix://``; ``s3://``, ``gs://``, ``file:///`` with a
            prefix.
        name: name of the cached data: label of the metric, and folder or prefix of the keys.
        home: the mesh's home folder.
        max_bytes: maximum size in memory and on disk. Redis and buckets have their own limits.
        ttl_s: age at which entries expire, seconds, or up to a tenth later with a memory cache in
            front; 0: never.
        front_bytes: maximum size of the memory cache in front of another cache, bytes.

    Returns:
        The cache, or None for ``none``.

    Raises:
        InvalidRequest: unknown kind of cache.
        NotReady: the required package is not installed; the message says what installs it.
    """
    scheme, _, rest = url.strip().partition(":")
    scheme = scheme.lower()
    ttl = ttl_s or None
    if scheme in ("none", ""):
        return None
    if scheme == "memory":
        return MemoryCache(max_bytes, ttl)
    if scheme == "disk":
        folder = Path(rest).expanduser() / name if rest.strip("/") else home / "cache" / name
        store = _disk(folder, max_bytes, ttl)
    elif scheme in _REDIS:
        store = _redis(url, f"voicemesh:{name}:", ttl)
    elif scheme in _OBJECTS:
        store = _objects(url, scheme, name, ttl)
    else:
        # The URL may contain a password, so only its scheme is repeated.
        shown = scheme[:16] if re.fullmatch(r"[a-z0-9+.-]*", scheme) else "that"
        raise InvalidRequest(f"no cache of the kind '{shown}'; there is: {_KINDS}")
    # An entry copied from the back cache starts with a full TTL in front; a short TTL there keeps
    # its total age close to the limit.
    front = MemoryCache(min(front_bytes, max_bytes), ttl and ttl / _FRONT_SHARE)
    return TieredCache(front, GuardedCache(name, store))


def _disk(folder: Path, max_bytes: int, ttl_s: float | None) -> Callable[[], Cache]:
    _require("diskcache", "cache-disk", "disk:")

    def opened() -> Cache:
        from shared.cache.disk import DiskCache  # noqa: PLC0415 - an optional package

        return DiskCache(folder, max_bytes, ttl_s)

    return opened


def _redis(url: str, prefix: str, ttl_s: float | None) -> Callable[[], Cache]:
    _require("redis", "cache-redis", "redis:")

    def opened() -> Cache:
        from shared.cache.redis import RedisCache  # noqa: PLC0415 - an optional package

        return RedisCache(url, prefix, ttl_s)

    return opened


def _objects(url: str, scheme: str, name: str, ttl_s: float | None) -> Callable[[], Cache]:
    module, extra = _OBJECTS[scheme]
    _require(module, extra, f"{scheme}:")

    def opened() -> Cache:
        from shared.cache.object_storage import ObjectCache  # noqa: PLC0415 - an optional package

        return ObjectCache(f"{url.rstrip('/')}/{name}", ttl_s)

    return opened


def _require(module: str, extra: str, kind: str) -> None:
    if find_spec(module) is None:
        # A container image has no pip: missing packages are added when the image is built.
        remedy = (
            f"pip install -e '.[{extra}]'"
            if find_spec("pip")
            else f"build the image from a lock with the extra '{extra}'"
        )
        raise NotReady(f"a cache at '{kind}' needs {module}: {remedy}", code="cache_not_installed")
