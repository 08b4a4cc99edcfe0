"""How loud voices are that nobody could measure beforehand: learned from what they say first."""

from __future__ import annotations

import threading

from shared.audio.pcm import Float32
from tts_service.sound.loudness import gain_for, integrated_lufs

_ENOUGH_S = 1.0
"""Sound after which a measurement stands; a sentence of a second varies by less than 2 LU."""


class VoiceLevels:
    """One gain per voice, from the first sound of it that is long enough; then it never moves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._measured: dict[str, tuple[float, float]] = {}

    def known(self, voice: str) -> float | None:
        """The factor for ``voice`` where its level stands; None where it must be heard first."""
        with self._lock:
            seconds, lufs = self._measured.get(voice, (0.0, 0.0))
        return gain_for(lufs) if seconds >= _ENOUGH_S else None

    def gain(self, voice: str, samples: Float32, sample_rate: int) -> float:
        """The factor for ``samples`` of ``voice``, which also teach it while it is not known."""
        with self._lock:
            seconds, lufs = self._measured.get(voice, (0.0, 0.0))
            heard = samples.size / sample_rate
            if seconds < _ENOUGH_S and heard > seconds:
                lufs = integrated_lufs(samples, sample_rate)
                self._measured[voice] = (heard, lufs)
        return gain_for(lufs)
