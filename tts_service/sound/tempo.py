"""Speed beyond what a model can do, by stretching its audio."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

from shared.audio.pcm import Float32


def share_speed(speed: float, native: tuple[float, float]) -> tuple[float, float]:
    """``speed`` as what the model does and what stretching adds: their product is ``speed``."""
    model = min(max(speed, native[0]), native[1])
    return model, speed / model


def stretch(samples: Float32, sample_rate: int, factor: float) -> Float32:
    """``samples`` played ``factor`` times as fast at the same pitch (FFmpeg's ``atempo``, WSOLA).

    ``factor`` lies within 0.25 and 100; near 1 nothing is done.
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
