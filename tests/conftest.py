"""Fixtures of the whole suite: where the recordings and the prepared models are.

Both skip visibly when what they need is not on this machine, and neither touches the network.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

ManifestRow = dict[str, Any]


def _speech_root() -> Path:
    configured = os.environ.get("VOICEMESH_SPEECH")
    return Path(configured) if configured else REPOSITORY.parent / "shared" / "speech"


@pytest.fixture(autouse=True)
def _environment_restored() -> Iterator[None]:
    """What a test, or the code under it, puts into the environment ends with the test."""
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def speech_dir() -> Path:
    """Folder with ``speech/``, ``long/``, ``awkward/`` and ``manifest.jsonl``.

    ``VOICEMESH_SPEECH`` overrides the default, ``../shared/speech`` beside the repository.
    """
    root = _speech_root()
    if not (root / "manifest.jsonl").is_file():
        pytest.skip(f"no recordings at {root} (set VOICEMESH_SPEECH)")
    return root


@pytest.fixture(scope="session")
def manifest(speech_dir: Path) -> list[ManifestRow]:
    """The rows of ``manifest.jsonl`` as dicts; ``row["file"]`` is relative to ``speech_dir``."""
    text = (speech_dir / "manifest.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Folder with the prepared models (``$VOICEMESH_HOME/models``); skips where there is none."""
    default = Path.home() / ".cache" / "voicemesh"
    models = Path(os.environ.get("VOICEMESH_HOME", default)).expanduser() / "models"
    if not models.is_dir() or not any(models.iterdir()):
        pytest.skip(f"no prepared models at {models} (run: mesh download)")
    return models


@pytest.fixture(scope="session")
def tiny_nemo_tts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Settings of the engine ``nemo`` with random models of its real classes."""
    from tests.engines import tiny_nemo

    folder = tmp_path_factory.mktemp("nemo-tts")
    return {
        "nemo_tts_spectrogram": str(tiny_nemo.fastpitch(folder / "fastpitch.nemo")),
        "nemo_tts_vocoder": str(tiny_nemo.hifigan(folder / "hifigan.nemo")),
        "tts_device": "cpu",
    }


@pytest.fixture(scope="session")
def tiny_parakeet(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Settings of the engine ``parakeet`` with a random model of its real class."""
    from tests.engines import tiny_nemo

    folder = tmp_path_factory.mktemp("parakeet")
    archive = tiny_nemo.parakeet(folder / "parakeet.nemo", folder / "work")
    # A random model knows no words.
    return {"parakeet_model": str(archive), "stt_device": "cpu", "stt_self_test_words": 0}


@pytest.fixture(scope="session")
def tiny_xtts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Settings of the engine ``xtts`` with a random model of its real class."""
    from tests.engines import tiny_xtts as tiny

    return {"xtts_model": str(tiny.build(tmp_path_factory.mktemp("xtts"))), "tts_device": "cpu"}
