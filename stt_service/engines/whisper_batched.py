"""Batched Whisper decoding of several passages of a recording, for GPUs."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from shared.audio.pcm import Float32
from shared.core.metrics import BATCH_RETRIES
from shared.engines.model_errors import OutOfMemory, out_of_memory_as_error
from shared.wire.transcription import Segment
from stt_service.engines.base import SAMPLE_RATE, Options
from stt_service.engines.pause_splitting import Passage
from stt_service.engines.whisper_segment import as_segment

log = logging.getLogger(__name__)

_FRAMES_PER_SECOND = 100
"""Frame rate of Whisper's spectrogram, the unit of faster-whisper's ``seek``."""
_ROUNDING_FRAMES = 1


class BatchedPath:
    """faster-whisper's ``BatchedInferencePipeline`` over passages that are already cut.

    It decodes at temperature 0 unless the request sets one and has no retry, so the caller must
    check the results.

    Args:
        model: a ``faster_whisper.WhisperModel``.
        beam: beam size.
        size: passages per batch.
        device: where the model runs.
    """

    def __init__(self, model: Any, beam: int, size: int, device: str) -> None:
        from faster_whisper import BatchedInferencePipeline

        self._pipeline: Any = BatchedInferencePipeline(model)
        self._beam = beam
        self._device = device
        self.size = size

    def decode(
        self, passages: Sequence[Float32], language: str, options: Options
    ) -> list[list[Segment]]:
        """Decode passages and return the segments of each, with times in seconds from its start.

        A batch that does not fit in the device's memory is split into halves.

        Args:
            passages: 16 kHz mono, at most 30 s each.
            language: language tag of all passages.
            options: options of the request.

        Raises:
            OutOfMemory: a single passage does not fit in the device's memory.
        """
        try:
            with out_of_memory_as_error(self._device):
                return self._at_once(passages, language, options)
        except OutOfMemory:
            if len(passages) == 1:
                raise
        BATCH_RETRIES.labels(engine="whisper", reason="out_of_memory").inc()
        log.warning("a batch is run again in parts", extra={"passages": len(passages)})
        half = -(-len(passages) // 2)
        return [
            *self.decode(passages[:half], language, options),
            *self.decode(passages[half:], language, options),
        ]

    def _at_once(
        self, passages: Sequence[Float32], language: str, options: Options
    ) -> list[list[Segment]]:
        edges = np.cumsum([0, *(len(samples) for samples in passages)]) / SAMPLE_RATE
        clips = [{"start": float(start), "end": float(end)} for start, end in pairwise(edges)]
        found, _ = self._pipeline.transcribe(
            np.concatenate(passages),
            language=language,
            task=options.task,
            beam_size=self._beam,
            temperature=options.temperature or 0.0,
            initial_prompt=options.prompt,
            without_timestamps=not (options.segment_times or options.word_times),
            word_timestamps=options.word_times,
            # The passages are speech regions already and must not be cut again.
            vad_filter=False,
            clip_timestamps=clips,
            batch_size=self.size,
        )
        made: list[list[Segment]] = [[] for _ in passages]
        # A segment's times may exceed the end of its clip, but its start frame is the clip's.
        begins = [int(edge * _FRAMES_PER_SECOND) for edge in edges[:-1]]
        for heard in found:
            index = bisect_right(begins, heard.seek + _ROUNDING_FRAMES) - 1
            segment = as_segment(heard)
            _move(segment, -float(edges[index]))
            made[index].append(segment)
        return made


def grouped(source: Iterator[Passage], size: int) -> Iterator[list[Passage]]:
    """Group passages: the first alone, so that text comes early, then ``size`` at a time."""
    group: list[Passage] = []
    most = 1
    for passage in source:
        group.append(passage)
        if len(group) == most:
            yield group
            group, most = [], size
    if group:
        yield group


def _move(segment: Segment, seconds: float) -> None:
    segment.start += seconds
    segment.end += seconds
    for word in segment.words or []:
        word.start += seconds
        word.end += seconds
