"""Fake recognition engine for tests, which reports the duration of loud audio."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from shared.audio.pcm import Float32
from shared.core.errors import EngineFailure
from shared.engines.registry import EngineSpec
from shared.wire.transcription import Segment, Word
from stt_service.engines.base import SAMPLE_RATE, Options, Recognition, SttEngine


def build(settings: Any) -> FakeStt:
    """Return the engine; ``settings`` is not used."""
    return FakeStt()


class FakeStt(SttEngine):
    """A fake engine that returns one segment ``heard 1.50 s`` per loud block, and none for silence.

    Args:
        fail_after: number of segments after which it fails, to test errors in mid-stream.
    """

    spec = EngineSpec(
        name="fake",
        model="fake-stt",
        licence="Apache-2.0",
        commercial_use=True,
        languages=frozenset({"en", "es", "pt"}),
        parameters=frozenset({"language", "prompt", "temperature", "timestamps", "task"}),
        max_concurrency=1,
        sample_rate=SAMPLE_RATE,
    )
    knows_words = False

    def __init__(self, fail_after: int | None = None) -> None:
        self.fail_after = fail_after
        self.closed_early = 0

    def load(self) -> None:
        """Do nothing."""

    def warm_up(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def transcribe(self, blocks: Iterable[Float32], options: Options) -> Recognition:
        """Return one segment per loud block."""
        self._require_known(options.language)
        made = Recognition(iter(()))
        made.segments = self._segments(blocks, options, made)
        return made

    def _segments(
        self, blocks: Iterable[Float32], options: Options, made: Recognition
    ) -> Iterator[Segment]:
        start, number = 0.0, 0
        try:
            for block in blocks:
                end = start + len(block) / SAMPLE_RATE
                if len(block) and float(np.abs(block).max()) > 1e-3:
                    if number == self.fail_after:
                        raise EngineFailure("set to fail")
                    made.language = options.language or "en"
                    made.language_probability = 1.0
                    text = f" heard {end - start:.2f} s"
                    words = [Word(word=w, start=start, end=end) for w in text.split()]
                    yield Segment(
                        id=number,
                        start=start,
                        end=end,
                        text=text,
                        words=words if options.word_times else None,
                    )
                    number += 1
                start = end
        except GeneratorExit:
            self.closed_early += 1
            raise
