"""Silero VAD v6 (the ONNX model in faster-whisper): find speech regions in 16 kHz audio."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.audio.pcm import Float32
from stt_service.engines.base import SAMPLE_RATE
from stt_service.engines.pause_splitting import Region

_FRAME = 512
"""Samples (32 ms) per model frame."""
THRESHOLD = 0.5
"""Probability from which a frame is speech; the model authors' default."""
RELEASE = 0.35
"""Probability below which speech ends; the authors' default is threshold - 0.15."""
_MIN_SPEECH_S = 0.1
_MIN_PAUSE_S = 0.4
_PAD_S = 0.3
"""Padding around each region: onsets such as f and s are quiet, and words end late."""
_FULL_SCALE = 0.7
_MAX_GAIN = 100.0
"""Gain limit, 40 dB: speech recorded at -55 dBFS still reaches a usual level."""


def level(samples: Float32) -> Float32:
    """Remove the DC offset and scale the audio to the usual peak, with at most 40 dB of gain."""
    centred = samples - samples.mean()
    peak = float(np.abs(centred).max())
    gain = min(_MAX_GAIN, _FULL_SCALE / peak) if peak > 0 else 1.0
    return np.asarray(centred * gain, dtype=np.float32)


class SpeechDetector:
    """A speech detector; safe to call from several threads (ONNX Runtime sessions are)."""

    def __init__(self) -> None:
        from faster_whisper.vad import get_vad_model

        self._model: Any = get_vad_model()

    def __call__(self, samples: Float32) -> list[Region]:
        """Return the speech regions of 16 kHz mono audio as sample indices."""
        if not len(samples):
            return []
        levelled = level(samples)
        # A copy, because the model's wrapper modifies its input.
        padded = np.pad(levelled, (0, -len(levelled) % _FRAME + _FRAME))
        return regions_of(self._model(padded).ravel(), len(samples))


def regions_of(probabilities: Float32, length: int) -> list[Region]:
    """Convert frame probabilities to speech regions with hysteresis, joined over pauses and padded.

    Args:
        probabilities: speech probability of each 32 ms frame.
        length: samples of the audio; no region extends beyond it.
    """
    found: list[Region] = []
    start: int | None = None
    for index, probability in enumerate(probabilities):
        if start is None and probability >= THRESHOLD:
            start = index
        elif start is not None and probability < RELEASE:
            found.append((start * _FRAME, index * _FRAME))
            start = None
    if start is not None:
        found.append((start * _FRAME, len(probabilities) * _FRAME))
    pad, pause = int(_PAD_S * SAMPLE_RATE), int(_MIN_PAUSE_S * SAMPLE_RATE)
    joined: list[Region] = []
    for begin, end in found:
        if joined and begin - joined[-1][1] < pause:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    kept = [(a, b) for a, b in joined if b - a >= _MIN_SPEECH_S * SAMPLE_RATE]
    padded: list[Region] = []
    for begin, end in kept:
        a, b = max(0, begin - pad), min(length, end + pad)
        if padded and a <= padded[-1][1]:
            padded[-1] = (padded[-1][0], b)
        elif a < b:
            padded.append((a, b))
    return padded
