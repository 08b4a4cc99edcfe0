"""One stretch of speech that arrives in chunks: quiet edges cut, ends faded, nothing held for long.

:func:`tts_service.sound.joins.trim` needs the whole waveform; this does the same as it comes. What
may be the silence at the end is held back until speech goes on or the stretch is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from shared.audio.pcm import Float32
from tts_service.sound.joins import (
    FADE_OUT_S,
    FLOOR_DB,
    KEEP_LEAD_S,
    KEEP_TAIL_S,
    fade_in,
    fade_out,
    frame_power,
    frame_samples,
)

_SILENT = 1e-8
"""Mean square (-80 dBFS) that is silence whatever else was heard."""
_LONGEST_PAUSE_S = 1.5
"""A pause inside speech that is longer is passed on, not held."""


def steady(chunks: Iterable[Float32], sample_rate: int) -> Iterator[Float32]:
    """``chunks`` of one stretch of speech without the silence around it, faded at both ends.

    Yields nothing where there is no sound at all. Chunk borders move; closing the iterator closes
    nothing else.
    """
    frame = frame_samples(sample_rate)
    hold = round(FADE_OUT_S * sample_rate)
    held: Float32 = np.zeros(0, np.float32)
    loudest = 0.0
    started = False
    for chunk in chunks:
        held = np.concatenate((held, chunk))
        loud, loudest = _loud_frames(held, frame, loudest)
        if not loud.size:
            most = round((_LONGEST_PAUSE_S if started else KEEP_LEAD_S) * sample_rate)
            if held.size > most + frame:
                if started:
                    yield held[: held.size - most]
                held = held[held.size - most :]
            continue
        first = 0
        if not started:
            first = max(0, int(loud[0]) * frame - round(KEEP_LEAD_S * sample_rate))
        # The fade out must have something left to fade, should this be the end.
        until = (int(loud[-1]) + 1) * frame - hold
        if until <= first:
            held = held[first:]
            continue
        part = held[first:until]
        held = held[until:]
        yield part if started else fade_in(part, sample_rate)
        started = True
    if started:
        loud, _ = _loud_frames(held, frame, loudest)
        spoken = (int(loud[-1]) + 1) * frame if loud.size else hold
        yield fade_out(held[: spoken + round(KEEP_TAIL_S * sample_rate)], sample_rate)
    elif held.size and _loud_frames(held, frame, loudest)[0].size:
        yield fade_out(fade_in(held, sample_rate), sample_rate)


def _loud_frames(
    samples: Float32, frame: int, loudest: float
) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], float]:
    """Indices of the frames that are not silence, and the loudest mean square so far."""
    power = frame_power(samples, frame)
    if not power.size:
        return np.zeros(0, np.intp), loudest
    loudest = max(loudest, float(power.max()))
    floor = max(_SILENT, loudest * 10 ** (FLOOR_DB / 10))
    return np.flatnonzero(power > floor), loudest
