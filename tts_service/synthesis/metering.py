"""Metrics of synthesised speech: time to first audio, seconds of audio, real-time factor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from shared.audio.pcm import Pcm16
from shared.core.metrics import AUDIO_CHUNKS, AUDIO_SECONDS, RTF, TTFA
from shared.core.streaming import ClosingIterator


class MeteredSpeech(ClosingIterator[Pcm16]):
    """The chunks of one engine, measured; the first chunk is made by the constructor.

    Time that the reader takes between chunks does not count as the engine's.

    Args:
        chunks: mono int16 chunks of the engine.
        engine: label of the metrics.
        sample_rate: of the chunks, Hz.
        started: when the client began to wait, ``time.monotonic()``.
        cleanup: run once, after the last chunk, an error or an early close.

    Raises:
        Exception: what making the first chunk raised.
    """

    def __init__(
        self,
        chunks: Iterator[Pcm16],
        engine: str,
        sample_rate: int,
        started: float,
        cleanup: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(chunks, cleanup)
        self._engine = engine
        self._sample_rate = sample_rate
        self._started = started
        self._busy_s = 0.0
        self._samples = 0
        self.pull_first()

    def _pull(self) -> Pcm16:
        resumed = time.monotonic()
        try:
            chunk = super()._pull()
        finally:
            ended = time.monotonic()
            self._busy_s += ended - resumed
        if self._samples == 0:
            TTFA.labels(engine=self._engine).observe(ended - self._started)
        self._samples += chunk.size
        AUDIO_CHUNKS.labels(engine=self._engine).inc()
        return chunk

    def _finish(self) -> None:
        samples, self._samples = self._samples, 0
        try:
            if samples:
                audio_s = samples / self._sample_rate
                AUDIO_SECONDS.labels(engine=self._engine, direction="out").inc(audio_s)
                RTF.labels(engine=self._engine).observe(self._busy_s / audio_s)
        finally:
            super()._finish()
