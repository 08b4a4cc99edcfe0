"""Cut the silence around speech, in a whole waveform or in chunks as they arrive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from shared.audio.pcm import Float32

_FRAME_S = 0.01
"""Loudness is judged over frames of this length."""
_KEEP_LEAD_S = 0.02
_KEEP_TAIL_S = 0.06
"""Silence that is kept before and after the speech."""
_FLOOR_DB = -45.0
"""Level, relative to the loudest frame, below which a frame is silent. A breath is well above."""
_SILENT = 1e-8
"""Mean square (-80 dBFS) below which a frame is silent in any case."""


def trim(samples: Float32, sample_rate: int) -> Float32:
    """Return ``samples`` without the silence around their speech; a little is kept on both sides.

    Args:
        samples: mono, shape ``(n,)``, finite.
        sample_rate: Hz.

    Returns:
        Shape ``(m,)``, m ≤ n; empty where there is no sound.
    """
    parts = list(trimmed((samples,), sample_rate))
    return np.concatenate(parts) if parts else samples[:0]


def trimmed(chunks: Iterable[Float32], sample_rate: int) -> Iterator[Float32]:
    """Yield the chunks of one stretch of speech without the silence around it.

    A pause is held back until speech goes on or the chunks end. Chunk borders move. Closing the
    iterator does not close ``chunks``.

    Args:
        chunks: mono, finite samples, of any length.
        sample_rate: Hz.
    """
    frame = max(1, round(_FRAME_S * sample_rate))
    lead, tail = round(_KEEP_LEAD_S * sample_rate), round(_KEEP_TAIL_S * sample_rate)
    held: Float32 = np.zeros(0, np.float32)
    loudest = 0.0
    started = False
    for chunk in chunks:
        held = np.concatenate((held, chunk))
        power = _frame_power(held, frame)
        loudest = max(loudest, float(power.max(initial=0.0)))
        loud = np.flatnonzero(power > max(_SILENT, loudest * 10 ** (_FLOOR_DB / 10)))
        if loud.size:
            first = 0 if started else max(0, int(loud[0]) * frame - lead)
            until = (int(loud[-1]) + 1) * frame
            yield held[first:until]
            held = held[until:]
            started = True
        elif not started:
            # Whole frames only, so that every chunking finds the same speech.
            held = held[max(0, held.size - lead) // frame * frame :]
    if started and held.size:
        yield held[:tail]
    elif held.size and float(np.square(held).mean()) > _SILENT:
        # Sound that is shorter than a frame was never judged.
        yield held


def _frame_power(samples: Float32, frame: int) -> NDArray[np.float32]:
    """Return the mean square of each whole frame of ``frame`` samples."""
    whole = samples.size // frame
    frames = samples[: whole * frame].reshape(whole, frame)
    return np.asarray(np.square(frames).mean(axis=1), np.float32)
