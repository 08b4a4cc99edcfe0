"""Where engines keep what they made of reference recordings."""

from __future__ import annotations

from shared.cache import open_cache
from shared.cache.embeddings import EmbeddingCache
from shared.cache.memory import MemoryCache
from tts_service.settings import TtsSettings

_FRONT_BYTES = 16 << 20
"""Kept in memory beside disk or server: some thirty matched voices, some hundred cloned ones."""


def open_voice_cache(settings: TtsSettings) -> EmbeddingCache:
    """The cache of ``VOICE_CACHE_URL``; with ``none`` every use prepares its voice anew.

    Engines share it: a key (:func:`shared.cache.base.cache_key`) has the engine's name among its
    facts, its model, and the recording's bytes.

    Raises:
        InvalidRequest: there is no such kind of cache.
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
