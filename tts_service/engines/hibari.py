"""hibari: English speech from a 7.9 MB model, about a hundred times faster than real time.

The voice ``heart`` is part of the package. Other voices are on a model hub: those in hibari's cache
folder are offered, and nothing is downloaded while serving.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.audio.pcm import Float32
from shared.core.errors import NotReady
from shared.engines.registry import EngineSpec
from tts_service.engines.base import EngineVoice, Gender, SynthesisRequest
from tts_service.engines.length_limit import split_to_length
from tts_service.engines.onnx_session import CompactSession
from tts_service.engines.waveform_base import WaveformEngine
from tts_service.sound.loudness import CALIBRATION, gain_for, integrated_lufs

if TYPE_CHECKING:
    from tts_service.settings import TtsSettings

log = logging.getLogger(__name__)

_SEED = 0
"""The model adds noise to its spectrum; a fixed seed makes the audio reproducible."""

_SPEC = EngineSpec(
    name="hibari",
    model="hibari-tts 0.2.1",
    licence="Apache-2.0",
    commercial_use=True,
    languages=frozenset({"en-us", "en-gb"}),
    parameters=frozenset({"speed"}),
    max_concurrency=4,
)


def build(settings: TtsSettings) -> HibariEngine:
    """Return the engine for the settings."""
    return HibariEngine(threads=settings.threads)


class HibariEngine(WaveformEngine):
    """An engine for the voices of the ``hibari`` package.

    Args:
        threads: processor threads of one inference; the model gains little beyond one.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._models: dict[str, Any] = {}
        self._voices: list[EngineVoice] = []
        self._gains: dict[str, float] = {}
        # One sentence at a time: it takes some 30 ms, and more at once would not be faster.
        self._lock = threading.Lock()

    @property
    def spec(self) -> EngineSpec:
        """Declared capabilities; after loading, only the languages of the installed voices."""
        tags = frozenset(voice.language for voice in self._voices)
        return replace(_SPEC, languages=tags) if tags else _SPEC

    def load(self) -> None:
        """Load every voice whose model file is on this machine.

        Raises:
            NotReady: no voice is installed.
        """
        from hibari import Hibari
        from hibari.voices import VOICES, voice_path

        self._models, self._voices = {}, []
        for name, facts in VOICES.items():
            try:
                path = voice_path(name, download_missing=False)
            except FileNotFoundError:
                continue
            model = Hibari(voice=name, threads=self._threads)
            model.sess = CompactSession(Path(path), self._threads)
            tag = str(facts["language"]).lower()
            gender: Gender = "male" if facts["gender"] == "male" else "female"
            self._models[name] = model
            self._voices.append(EngineVoice(name, tag, frozenset({tag}), gender))
        if not self._voices:
            raise NotReady("no voice of the hibari package is on this machine; install it again")

    def warm_up(self) -> None:
        """Synthesise the calibration sentence with each voice and measure its loudness."""
        for voice in self._voices:
            audio = np.concatenate(list(self._run(voice, CALIBRATION, 1.0)))
            lufs = integrated_lufs(audio, self.spec.sample_rate)
            self._gains[voice.id] = gain_for(lufs)
            log.info("voice measured", extra={"voice": voice.id, "lufs": round(lufs, 2)})

    def close(self) -> None:
        """Free the models."""
        self._models.clear()

    def voices(self) -> Sequence[EngineVoice]:
        """Return the installed voices, ``heart`` first."""
        return tuple(self._voices)

    def _gain(self, request: SynthesisRequest) -> float:
        return self._gains[request.voice.id]

    def _render(self, text: str, request: SynthesisRequest, speed: float) -> Iterator[Float32]:
        return self._run(request.voice, text, speed)

    def _run(self, voice: EngineVoice, text: str, speed: float) -> Iterator[Float32]:
        # The package's own G2P would load its lexicon a second time.
        from tts_service.text.g2p import phonemize

        model = self._models[voice.id]
        for phonemes in split_to_length(phonemize(text, voice.language)):
            with self._lock:
                audio = model.from_phonemes(phonemes, speed=speed, seed=_SEED)
            yield np.asarray(audio, np.float32)
