"""Cuts a stream of audio into passages of speech that a recogniser takes at once.

Pure: the speech detector is passed in. Memory is bounded by one buffer whatever the length of the
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
"""Regions of speech in the given audio, as sample indices, in order, not overlapping."""

EARLIEST_CUT = 0.4
"""A buffer is cut at the widest pause after this share of it: passages stay long enough to be
understood from their context."""
SPLIT_GAP_S = 2.0
"""Pauses longer than this separate passages: recognisers invent words in long silences."""
_QUIET_FRAME = 320
"""Samples (20 ms) over which loudness is compared when speech must be cut without a pause."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """How much a recogniser takes.

    Attributes:
        buffer_s: seconds looked at together.
        passage_s: longest passage, seconds, at most the buffer.
    """

    buffer_s: float = 30.0
    passage_s: float = 27.0


WHISPER = Lengths()
"""Its own window, and that less the margin that timestamps need at its end."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Audio with speech in it, and where it begins in the recording, seconds."""

    samples: Float32
    start_s: float


def passages(
    blocks: Iterable[Float32], detect: Detector, lengths: Lengths = WHISPER
) -> Iterator[Passage]:
    """The passages of speech of a recording, in order; none for a recording without speech."""
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
    """Where to end this window: in its widest late pause, else at its quietest late moment."""
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
    """Join regions that belong together into passages of at most ``longest`` samples."""
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
