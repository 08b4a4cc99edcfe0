"""Loaded engines with tiny real models, one of each per session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

TTS_NEEDS = ("nemo", "xtts")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs the torch engines."""
    for item in items:
        if "tests/engines" in str(item.path):
            item.add_marker(pytest.mark.engines)


@pytest.fixture(scope="session")
def nemo(tiny_nemo_tts: dict[str, Any]) -> Iterator[Any]:
    """FastPitch and HiFiGAN, warmed up."""
    from tts_service.engines import REGISTRY
    from tts_service.settings import TtsSettings

    engine = REGISTRY.build("nemo", TtsSettings(_env_file=None, **tiny_nemo_tts))
    engine.load()
    engine.warm_up()
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def xtts(tiny_xtts: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """XTTS with two speakers, warmed up."""
    from tts_service.engines import REGISTRY
    from tts_service.settings import TtsSettings

    home = tmp_path_factory.mktemp("home")
    engine = REGISTRY.build("xtts", TtsSettings(_env_file=None, voicemesh_home=home, **tiny_xtts))
    engine.load()
    engine.warm_up()
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def parakeet(tiny_parakeet: dict[str, Any]) -> Iterator[Any]:
    """A Parakeet-TDT, warmed up."""
    from stt_service.engines import REGISTRY
    from stt_service.settings import SttSettings

    engine = REGISTRY.build("parakeet", SttSettings(_env_file=None, **tiny_parakeet))
    engine.load()
    engine.warm_up()
    yield engine
    engine.close()
