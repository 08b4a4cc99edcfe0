"""Passages through a batching pipeline that is full, or puts its times where it likes."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import pytest

from shared.core.metrics import BATCH_RETRIES
from shared.engines.model_errors import OutOfMemory
from stt_service.engines.base import SAMPLE_RATE, Options
from stt_service.engines.whisper_batched import BatchedPath


class Pipeline:
    """Says of each clip how long it is; has room for ``room`` clips; its times run on to 30 s."""

    def __init__(self, room: int = 8) -> None:
        self.room = room
        self.batches: list[int] = []

    def transcribe(self, audio: Any, *, clip_timestamps: Any, **_: Any) -> tuple[Any, None]:
        self.batches.append(len(clip_timestamps))
        if len(clip_timestamps) > self.room:
            raise RuntimeError("CUDA failed with error out of memory")
        return [self.heard(clip["start"], clip["end"]) for clip in clip_timestamps], None

    @staticmethod
    def heard(start: float, end: float) -> Any:
        return types.SimpleNamespace(
            seek=int(start * 100), start=start, end=start + 30.0, text=f"{end - start:.3f}",
            tokens=[], temperature=0.0, avg_logprob=-0.1, compression_ratio=1.0,
            no_speech_prob=0.0, words=None,
        )  # fmt: skip


def path_of(pipeline: Pipeline) -> BatchedPath:
    path = BatchedPath.__new__(BatchedPath)
    path._pipeline, path._beam, path._device, path.size = pipeline, 1, "cpu", 8
    return path


def clips(*seconds: float) -> list[Any]:
    return [np.zeros(round(s * SAMPLE_RATE), np.float32) for s in seconds]


def texts(found: list[Any]) -> list[str]:
    return ["".join(segment.text for segment in segments) for segments in found]


def test_every_passage_gets_its_own_whatever_the_times_say() -> None:
    seconds = (3.0, 1.37, 0.251, 12.0031, 2.5)
    found = path_of(Pipeline()).decode(clips(*seconds), "en", Options())
    assert texts(found) == [f"{s:.3f}" for s in seconds]
    assert all(segment.start == pytest.approx(0) for segments in found for segment in segments)


def test_what_does_not_fit_together_goes_in_halves() -> None:
    pipeline = Pipeline(room=1)
    before = BATCH_RETRIES.labels(engine="whisper", reason="out_of_memory")._value.get()
    assert texts(path_of(pipeline).decode(clips(1, 2, 3), "en", Options())) == [
        "1.000",
        "2.000",
        "3.000",
    ]
    assert pipeline.batches == [3, 2, 1, 1, 1]
    after = BATCH_RETRIES.labels(engine="whisper", reason="out_of_memory")._value.get()
    assert after == before + 2


def test_one_that_does_not_fit_alone_is_said() -> None:
    with pytest.raises(OutOfMemory):
        path_of(Pipeline(room=0)).decode(clips(1, 2), "en", Options())
