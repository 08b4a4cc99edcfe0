"""Learn the gain of each remote voice from the first speech it makes."""

from __future__ import annotations

import threading

from shared.audio.pcm import Float32
from tts_service.sound.loudness import gain_for, integrated_lufs

_ENOUGH_S = 1.0
"""Seconds of speech after which a gain is final. Sentences of a second vary by less than 2 LU."""


class VoiceLevels:
    """One gain per voice, final after the first second of speech."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._measured: dict[str, tuple[float, float]] = {}

    def known(self, voice: str) -> float | None:
        """Return the final factor for ``voice``, or None where it is not final yet."""
        with self._lock:
            seconds, lufs = self._measured.get(voice, (0.0, 0.0))
        return gain_for(lufs) if seconds >= _ENOUGH_S else None

    def gain(self, voice: str, samples: Float32, sample_rate: int) -> float:
        """Return the factor for ``samples`` of ``voice``, and learn from them until it is final."""
        with self._lock:
            seconds, lufs = self._measured.get(voice, (0.0, 0.0))
            heard = samples.size / sample_rate
            if seconds < _ENOUGH_S and heard > seconds:
                lufs = integrated_lufs(samples, sample_rate)
                self._measured[voice] = (heard, lufs)
        return gain_for(lufs)
