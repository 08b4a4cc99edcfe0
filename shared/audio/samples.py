"""Resample audio in memory and convert it between int16 and float32."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from shared.audio.pcm import Float32, Pcm16
from shared.core.errors import EngineFailure
from shared.core.streaming import close_quietly


class Resampler:
    """A streaming resampler for mono float32 chunks (libswresample's sinc filter)."""

    def __init__(self, from_rate: int, to_rate: int) -> None:
        self._from_rate = from_rate
        self._same = from_rate == to_rate
        self._resampler = av.AudioResampler(format="fltp", layout="mono", rate=to_rate)
        self._started = False

    def feed(self, chunk: Float32) -> Float32:
        """Return the samples that are ready after ``chunk``; the filter delays the first ones."""
        if self._same or chunk.size == 0:
            return chunk
        self._started = True
        plane = np.ascontiguousarray(chunk, dtype=np.float32)[np.newaxis]
        frame = av.AudioFrame.from_ndarray(plane, format="fltp", layout="mono")
        frame.sample_rate = self._from_rate
        return _joined(self._resampler.resample(frame))

    def flush(self) -> Float32:
        """Return the remaining samples. Call it once, after the last chunk."""
        if not self._started:
            return np.zeros(0, dtype=np.float32)
        return _joined(self._resampler.resample(None))


def resample(samples: Float32, from_rate: int, to_rate: int) -> Float32:
    """Resample mono float32 samples (rates in Hz); equal rates return the same array."""
    if from_rate == to_rate:
        return samples
    resampler = Resampler(from_rate, to_rate)
    return np.concatenate([resampler.feed(samples), resampler.flush()])


def float_to_pcm16(samples: NDArray[np.floating[Any]]) -> Pcm16:
    """Convert samples in [-1, 1] to int16 with rounding; values out of range are clipped.

    Raises:
        EngineFailure: a sample is not a finite number.
    """
    if not np.isfinite(samples).all():
        raise EngineFailure("the engine made samples that are no numbers")
    rounded: Pcm16 = np.rint(np.clip(samples, -1.0, 1.0) * 32767.0).astype(np.int16)
    return rounded


def pcm16_to_float(samples: Pcm16) -> Float32:
    """Convert int16 samples to float32 in [-1, 1)."""
    return samples.astype(np.float32) / np.float32(32768.0)


def resampled_pcm(chunks: Iterator[Pcm16], from_rate: int, to_rate: int) -> Iterator[Pcm16]:
    """Resample mono int16 chunks (rates in Hz) as they arrive; empty chunks are dropped.

    Closing the generator closes ``chunks``.
    """
    try:
        if from_rate == to_rate:
            yield from (chunk for chunk in chunks if chunk.size)
            return
        resampler = Resampler(from_rate, to_rate)
        for chunk in chunks:
            if (samples := resampler.feed(pcm16_to_float(chunk))).size:
                yield _back_to_pcm16(samples)
        if (samples := resampler.flush()).size:
            yield _back_to_pcm16(samples)
    finally:
        close_quietly(chunks)


def _back_to_pcm16(samples: Float32) -> Pcm16:
    # Scale by the factor that pcm16_to_float divides by, so that silence and levels are unchanged.
    return float_to_pcm16(samples * np.float32(32768.0 / 32767.0))


def _joined(frames: list[Any]) -> Float32:
    if not frames:
        return np.zeros(0, dtype=np.float32)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])
