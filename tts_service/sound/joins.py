"""Join pieces of speech: pauses by punctuation, and fades that avoid clicks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from shared.audio.pcm import Float32

_FADE_IN_S = 0.004
_FADE_OUT_S = 0.012

LEAD_S = 0.03
"""Silence before the first piece. Players that fade their output in would drop the first sound."""

_PAUSES = (
    ("\n", 0.55),
    (".!?。！？।", 0.32),
    ("…", 0.40),
    (":;：；", 0.22),
    (",，、—–", 0.12),
)
"""Seconds of silence after a piece, by its last mark."""
_NO_MARK_S = 0.06
_CLOSERS = "\"'”’»)]}」』）】 \t"


def pause_after(text: str, *, ends_paragraph: bool = False) -> float:
    """Return the seconds of silence after ``text`` at speed 1, by its last punctuation mark."""
    if ends_paragraph:
        return _PAUSES[0][1]
    stripped = text.rstrip(_CLOSERS)
    if not stripped:
        return _NO_MARK_S
    for marks, seconds in _PAUSES:
        if stripped[-1] in marks:
            return seconds
    return _NO_MARK_S


def fade(samples: Float32, sample_rate: int) -> Float32:
    """Return a copy that starts and ends at zero, along raised cosines of 4 and 12 ms."""
    return _fade_out(_fade_in(samples, sample_rate), sample_rate)


def fade_chunks(chunks: Iterable[Float32], sample_rate: int) -> Iterator[Float32]:
    """Yield ``chunks`` of one stretch of speech, faded as :func:`fade` does.

    The last 12 ms are held back until the chunks end. Chunk borders move.
    """
    hold = round(_FADE_OUT_S * sample_rate)
    held: Float32 = np.zeros(0, np.float32)
    started = False
    for chunk in chunks:
        held = np.concatenate((held, chunk))
        # The fade in needs samples too.
        if held.size < 2 * hold:
            continue
        part, held = held[:-hold], held[-hold:]
        yield part if started else _fade_in(part, sample_rate)
        started = True
    if held.size:
        yield _fade_out(held if started else _fade_in(held, sample_rate), sample_rate)


def _fade_in(samples: Float32, sample_rate: int) -> Float32:
    """Return a copy that starts at zero and rises within 4 ms."""
    faded = samples.copy()
    rise = min(samples.size // 2, round(_FADE_IN_S * sample_rate))
    if rise:
        faded[:rise] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(rise, dtype=np.float32) / rise)
    return faded


def _fade_out(samples: Float32, sample_rate: int) -> Float32:
    """Return a copy that falls within its last 12 ms and ends at zero."""
    faded = samples.copy()
    fall = min(samples.size // 2, round(_FADE_OUT_S * sample_rate))
    if fall:
        faded[-fall:] *= 0.5 + 0.5 * np.cos(np.pi * (np.arange(fall, dtype=np.float32) + 1) / fall)
    return faded


def silence(seconds: float, sample_rate: int) -> Float32:
    """Return ``seconds`` of zeros."""
    return np.zeros(round(seconds * sample_rate), np.float32)
