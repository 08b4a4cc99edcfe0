"""Cut a stream of audio into speech passages that fit a recogniser's window.

The speech detector is a parameter. Memory is limited to one buffer, whatever the length of the
recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from shared.audio.pcm import Float32
from stt_service.engines.base import SAMPLE_RATE

Region = tuple[int, int]
Detector = Callable[[Float32], list[Region]]
"""Returns the speech regions of the given audio as sample indices, in order, not overlapping."""

EARLIEST_CUT = 0.4
"""Share of a buffer before which it is not cut.

The cut is at the widest pause after it, so that passages keep enough context.
"""
SPLIT_GAP_S = 2.0
"""Pauses longer than this separate passages, because recognisers hallucinate in long silences."""
_QUIET_FRAME = 320
"""Samples (20 ms) per frame when speech without a pause is cut at its quietest frame."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Window lengths of a recogniser.

    Attributes:
        buffer_s: seconds of audio that are searched for speech together.
        passage_s: longest passage, seconds, at most the buffer.
    """

    buffer_s: float = 30.0
    passage_s: float = 27.0


WHISPER = Lengths()
"""Whisper's window, and the window less the margin that timestamps need at its end."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Audio that contains speech, and its start in the recording in seconds."""

    samples: Float32
    start_s: float


def passages(
    blocks: Iterable[Float32], detect: Detector, lengths: Lengths = WHISPER
) -> Iterator[Passage]:
    """Yield the speech passages of a recording in order; none where it has no speech."""
    held: list[Float32] = []
    count = 0
    offset = 0
    size = int(lengths.buffer_s * SAMPLE_RATE)
    longest = int(lengths.passage_s * SAMPLE_RATE)
    for block in blocks:
        held.append(block)
        count += len(block)
        while count >= size:
            buffer = np.concatenate(held)
            window = buffer[:size]
            regions = detect(window)
            cut = _cut(window, regions)
            yield from _group(window, _before(regions, cut), offset, longest)
            offset += cut
            held = [buffer[cut:]]
            count -= cut
    if count:
        window = np.concatenate(held)
        yield from _group(window, detect(window), offset, longest)


def _cut(window: Float32, regions: list[Region]) -> int:
    """Return where to cut a window: in its widest late pause, else at its quietest late frame."""
    earliest = int(EARLIEST_CUT * len(window))
    if not regions or regions[-1][1] <= earliest:
        return len(window)
    pauses = [
        (after[0] - before[1], (before[1] + after[0]) // 2)
        for before, after in pairwise(regions)
        if after[0] > earliest
    ]
    tail = len(window) - regions[-1][1]
    if tail > SAMPLE_RATE // 2:
        pauses.append((tail, regions[-1][1] + tail // 2))
    if pauses:
        return max(earliest, max(pauses)[1])
    late = window[-int(5 * SAMPLE_RATE) :]
    frames = late[: len(late) // _QUIET_FRAME * _QUIET_FRAME].reshape(-1, _QUIET_FRAME)
    quietest = int(np.argmin(np.square(frames).sum(axis=1)))
    return len(window) - len(late) + quietest * _QUIET_FRAME + _QUIET_FRAME // 2


def _before(regions: list[Region], cut: int) -> list[Region]:
    return [(start, min(end, cut)) for start, end in regions if start < cut]


def _group(window: Float32, regions: list[Region], offset: int, longest: int) -> Iterator[Passage]:
    """Join neighbouring regions into passages of at most ``longest`` samples."""
    gap = int(SPLIT_GAP_S * SAMPLE_RATE)
    current: Region | None = None
    for start, end in regions:
        if current is not None and start - current[1] <= gap and end - current[0] <= longest:
            current = (current[0], end)
            continue
        if current is not None:
            yield from _pieces(window, current, offset, longest)
        current = (start, end)
    if current is not None:
        yield from _pieces(window, current, offset, longest)


def _pieces(window: Float32, region: Region, offset: int, longest: int) -> Iterator[Passage]:
    start, end = region
    while end - start > longest:
        cut = start + _cut(window[start : start + longest], [(0, longest)])
        yield Passage(window[start:cut], (offset + start) / SAMPLE_RATE)
        start = cut
    yield Passage(window[start:end], (offset + start) / SAMPLE_RATE)
