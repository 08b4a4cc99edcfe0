"""Metrics of one spoken answer."""

from __future__ import annotations

import time
from collections.abc import Iterator

from shared.audio.pcm import Pcm16
from shared.core.metrics import AUDIO_CHUNKS, AUDIO_SECONDS, RTF, TTFA
from shared.core.streaming import close_quietly


def metered(
    chunks: Iterator[Pcm16], engine: str, sample_rate: int, started: float
) -> Iterator[Pcm16]:
    """``chunks``, observed: time to the first one since ``started`` (``time.monotonic()``), audio
    seconds, and real-time factor. Time that the reader takes between chunks is not counted."""
    busy_s = 0.0
    samples = 0
    try:
        while True:
            resumed = time.monotonic()
            chunk = next(chunks, None)
            busy_s += time.monotonic() - resumed
            if chunk is None:
                return
            if samples == 0:
                TTFA.labels(engine=engine).observe(time.monotonic() - started)
            samples += chunk.size
            AUDIO_CHUNKS.labels(engine=engine).inc()
            yield chunk
    finally:
        if samples:
            audio_s = samples / sample_rate
            AUDIO_SECONDS.labels(engine=engine, direction="out").inc(audio_s)
            RTF.labels(engine=engine).observe(busy_s / audio_s)
        close_quietly(chunks)
