"""Joins between separately made pieces: no clicks, natural pauses."""

from __future__ import annotations

import numpy as np

from shared.audio.pcm import Float32

_FRAME_S = 0.01
KEEP_LEAD_S = 0.02
KEEP_TAIL_S = 0.06
_FADE_IN_S = 0.004
FADE_OUT_S = 0.012
FLOOR_DB = -45.0
"""Below the piece's own loudest frame, what counts as silence; a breath is well above it."""

LEAD_S = 0.03
"""Silence before the first piece: players that fade their output in would eat the first sound."""

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
    """Seconds of silence after ``text`` at speed 1, by its last punctuation mark."""
    if ends_paragraph:
        return _PAUSES[0][1]
    stripped = text.rstrip(_CLOSERS)
    if not stripped:
        return _NO_MARK_S
    for marks, seconds in _PAUSES:
        if stripped[-1] in marks:
            return seconds
    return _NO_MARK_S


def frame_samples(sample_rate: int) -> int:
    """Samples of a frame over which loudness is judged (10 ms)."""
    return max(1, round(_FRAME_S * sample_rate))


def frame_power(samples: Float32, frame: int) -> Float32:
    """Mean square of each whole frame of ``frame`` samples; what is left over is not looked at."""
    whole = samples.size // frame
    frames = samples[: whole * frame].reshape(whole, frame)
    return np.asarray(np.square(frames).mean(axis=1), np.float32)


def trim(samples: Float32, sample_rate: int) -> Float32:
    """``samples`` without the silence around its speech; a little is kept on both sides.

    Loudness is judged in 10 ms frames against the piece's own loudest one. The result is a view.
    """
    frame = frame_samples(sample_rate)
    power = frame_power(samples, frame)
    if power.size == 0:
        return samples
    peak = float(power.max())
    if peak <= 0.0:
        return samples[:0]
    active = np.flatnonzero(power > peak * 10 ** (FLOOR_DB / 10))
    first = max(0, int(active[0]) * frame - round(KEEP_LEAD_S * sample_rate))
    last = min(samples.size, (int(active[-1]) + 1) * frame + round(KEEP_TAIL_S * sample_rate))
    return samples[first:last]


def fade(samples: Float32, sample_rate: int) -> Float32:
    """A copy that starts and ends at zero along raised cosines of 4 and 12 ms."""
    return fade_out(fade_in(samples, sample_rate), sample_rate)


def fade_in(samples: Float32, sample_rate: int) -> Float32:
    """A copy that starts at zero and rises within 4 ms."""
    faded = samples.copy()
    rise = min(samples.size // 2, round(_FADE_IN_S * sample_rate))
    if rise:
        faded[:rise] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(rise, dtype=np.float32) / rise)
    return faded


def fade_out(samples: Float32, sample_rate: int) -> Float32:
    """A copy that falls within its last 12 ms and ends at zero."""
    faded = samples.copy()
    fall = min(samples.size // 2, round(FADE_OUT_S * sample_rate))
    if fall:
        faded[-fall:] *= 0.5 + 0.5 * np.cos(np.pi * (np.arange(fall, dtype=np.float32) + 1) / fall)
    return faded


def silence(seconds: float, sample_rate: int) -> Float32:
    """Zeros for ``seconds``."""
    return np.zeros(round(seconds * sample_rate), np.float32)
