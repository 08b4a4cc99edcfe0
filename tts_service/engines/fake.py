"""Fake synthesis engine, which renders each text as a tone of its own pitch and length.

It is for tests and for development of the rest of the mesh (``TTS_ENGINES=fake``). It is a complete
engine: the contract suite covers it, and it uses the same joins, loudness and limits as the others.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from shared.audio.pcm import Float32
from shared.engines.registry import EngineSpec
from tts_service.engines.base import EngineVoice, PreparedVoice, Reference, SynthesisRequest
from tts_service.engines.waveform_base import WaveformEngine

if TYPE_CHECKING:
    from tts_service.settings import TtsSettings

_RATE = 24_000
_SECONDS_PER_CHAR = 0.02


def pitch_of(text: str) -> float:
    """Return the tone's frequency for ``text``, 200 to 999 Hz, which identifies it in the audio."""
    return 200.0 + zlib.crc32(text.encode()) % 800


def build(settings: TtsSettings) -> FakeEngine:
    """Return the engine; ``settings`` is not used."""
    return FakeEngine()


class FakeEngine(WaveformEngine):
    """A fake engine for English and Spanish.

    Args:
        name: name of the engine, so that a test can host several.
        languages: tags; each gets a voice ``<name>-<tag>``.
        cloning: as in :class:`EngineSpec`.
        fails_after: number of pieces after which the model fails; None = never.
        load_error: error raised by :meth:`load`.
        gate: semaphore that each piece waits for, so that a test controls the progress.
    """

    def __init__(
        self,
        name: str = "fake",
        *,
        languages: Sequence[str] = ("en-us", "es"),
        cloning: str = "matching",
        max_concurrency: int = 2,
        fails_after: int | None = None,
        load_error: Exception | None = None,
        gate: threading.Semaphore | None = None,
    ) -> None:
        self._spec = EngineSpec(
            name=name,
            model=f"{name}-tones",
            licence="CC0-1.0",
            commercial_use=True,
            languages=frozenset(languages),
            parameters=frozenset({"speed"}),
            cloning=cloning,
            max_concurrency=max_concurrency,
        )
        self._voices = tuple(
            EngineVoice(f"{name}-{tag}", tag, frozenset(languages), "female") for tag in languages
        )
        self._fails_after = fails_after
        self._load_error = load_error
        self._gate = gate
        self.rendered = 0
        self.closed = False

    @property
    def spec(self) -> EngineSpec:
        """Declared capabilities."""
        return self._spec

    def load(self) -> None:
        """Do nothing, or raise the error that the test set."""
        if self._load_error is not None:
            raise self._load_error

    def warm_up(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Record that the engine was closed."""
        self.closed = True

    def voices(self) -> Sequence[EngineVoice]:
        """Return one voice per language."""
        return self._voices

    def prepare(self, reference: Reference) -> PreparedVoice:
        """Return a voice named after the recording's checksum."""
        if self._spec.cloning == "none":
            return super().prepare(reference)
        digest = f"{zlib.crc32(reference.audio):08x}"
        return PreparedVoice(f"matched-{digest}", "matching", None, 0.5)

    def _gain(self, request: SynthesisRequest) -> float:
        return 1.0

    def _render(self, text: str, request: SynthesisRequest, speed: float) -> Iterator[Float32]:
        if not any(character.isalnum() for character in text):
            return
        if self._gate is not None:
            self._gate.acquire()
        if self._fails_after is not None and self.rendered >= self._fails_after:
            raise RuntimeError("the fake engine is set to fail")
        self.rendered += 1
        seconds = max(0.1, len(text) * _SECONDS_PER_CHAR) / speed
        t = np.arange(round(seconds * _RATE), dtype=np.float32) / _RATE
        # -20 dBFS RMS of a sine is about -23 LUFS near 1 kHz after K-weighting.
        yield (0.1 * np.sin(2 * np.pi * pitch_of(text) * t)).astype(np.float32)
