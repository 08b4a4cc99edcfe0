"""Change the speed of speech by time-stretching, where the model cannot."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

from shared.audio.pcm import Float32


def share_speed(speed: float, native: tuple[float, float]) -> tuple[float, float]:
    """Split ``speed`` into the model's share within ``native`` and the stretching factor."""
    model = min(max(speed, native[0]), native[1])
    return model, speed / model


def stretch(samples: Float32, sample_rate: int, factor: float) -> Float32:
    """Return ``samples`` ``factor`` times as fast at the same pitch (FFmpeg's ``atempo``, WSOLA).

    Args:
        samples: mono, shape ``(n,)``.
        sample_rate: Hz.
        factor: 0.25 to 100; within 0.01 of 1 the samples come back unchanged.
    """
    if abs(factor - 1.0) < 0.01 or samples.size == 0:
        return samples
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        format="flt", sample_rate=sample_rate, layout="mono", time_base=Fraction(1, sample_rate)
    )
    last = source
    # One filter goes down to half the speed.
    for part in [0.5, factor / 0.5] if factor < 0.5 else [factor]:
        tempo = graph.add("atempo", f"{part:.6f}")
        last.link_to(tempo)
        last = tempo
    sink = graph.add("abuffersink")
    last.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples, np.float32)[None, :], format="flt", layout="mono"
    )
    frame.sample_rate = sample_rate
    frame.pts = 0
    graph.push(frame)
    graph.push(None)
    parts = []
    while True:
        try:
            parts.append(graph.pull().to_ndarray().reshape(-1))
        except (av.error.BlockingIOError, av.error.EOFError):
            break
    return np.concatenate(parts).astype(np.float32, copy=False) if parts else samples[:0]
