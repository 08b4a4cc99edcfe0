"""The cache that engines share for what they make of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.cache.base import cache_key
from shared.core.errors import InvalidRequest
from tts_service.engines import kokoro
from tts_service.settings import TtsSettings
from tts_service.voices.voice_cache import open_voice_cache

KEY = cache_key(engine="fake", recording=b"recording")


def settings(home: Path, **facts: Any) -> TtsSettings:
    return TtsSettings(_env_file=None, voicemesh_home=home, **facts)


def test_voices_outlive_the_process_by_default(tmp_path: Path) -> None:
    first = open_voice_cache(settings(tmp_path))
    first.put(KEY, {"latent": np.arange(5.0)})
    first.close()
    again = open_voice_cache(settings(tmp_path))
    found = again.get(KEY)
    again.close()
    assert found is not None
    np.testing.assert_array_equal(found["latent"], np.arange(5.0))
    assert (tmp_path / "cache" / "voice" / "cache.db").is_file()


@pytest.mark.parametrize(("url", "kept"), [("memory:", True), ("none", False)])
def test_other_places(tmp_path: Path, url: str, kept: bool) -> None:
    cache = open_voice_cache(settings(tmp_path, voice_cache_url=url))
    cache.put(KEY, {"latent": np.arange(5.0)})
    assert (cache.get(KEY) is not None) is kept
    assert list(tmp_path.iterdir()) == []
    cache.close()


def test_a_kind_that_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no cache of the kind 'tape'"):
        open_voice_cache(settings(tmp_path, voice_cache_url="tape:"))


def test_kokoro_opens_it_without_touching_the_disk(tmp_path: Path) -> None:
    engine = kokoro.build(settings(tmp_path))
    assert engine.fingerprint() == {"files": {}, "matching": 2}
    engine.close()
    assert list(tmp_path.iterdir()) == []
