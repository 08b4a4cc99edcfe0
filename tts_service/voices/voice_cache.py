"""Cache of the voices that engines prepare from reference recordings."""

from __future__ import annotations

from shared.cache import open_cache
from shared.cache.embeddings import EmbeddingCache
from shared.cache.memory import MemoryCache
from tts_service.settings import TtsSettings

_FRONT_BYTES = 16 << 20
"""Size of the memory cache in front of disk or server.

It holds about thirty matched or a hundred cloned voices.
"""


def open_voice_cache(settings: TtsSettings) -> EmbeddingCache:
    """Open the cache of ``VOICE_CACHE_URL``; with ``none`` every use prepares its voice again.

    Engines share the cache: a key (:func:`shared.cache.base.cache_key`) includes the engine's name,
    its model and the recording's bytes.

    Raises:
        InvalidRequest: the kind of cache does not exist.
        NotReady: its package is not installed.
    """
    cache = open_cache(
        settings.voice_cache_url,
        name="voice",
        home=settings.home,
        max_bytes=settings.voice_cache_max_bytes,
        front_bytes=_FRONT_BYTES,
    )
    return EmbeddingCache(cache or MemoryCache(0), "voice")
