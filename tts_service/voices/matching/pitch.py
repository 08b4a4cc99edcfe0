"""Estimate the median pitch of a recording, which gives the register of its voice."""

from __future__ import annotations

import numpy as np

from shared.audio.pcm import Float32
from tts_service.voices.matching.speaker_encoder import SAMPLE_RATE

_FRAME = 1024
_HOP = 512
_LOWEST_HZ = 60
_HIGHEST_HZ = 400
_VOICED = 0.4
"""Minimum peak of the normalised autocorrelation of a voiced frame."""


def median_pitch(samples: Float32) -> float | None:
    """Return the median fundamental frequency of the voiced frames as a MIDI note number (A4 = 69).

    The method is the autocorrelation of Hann-windowed frames of 64 ms (Rabiner 1977, "On the use of
    autocorrelation analysis for pitch detection"). Octave errors are rare enough for the median.

    Args:
        samples: 16 kHz mono.

    Returns:
        A fractional note number; None where no frame is voiced.
    """
    if len(samples) < _FRAME:
        return None
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_HOP]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(_FRAME), 2 * _FRAME, axis=1)) ** 2
    correlation = np.fft.irfft(spectrum, axis=1)
    shortest, longest = SAMPLE_RATE // _HIGHEST_HZ, SAMPLE_RATE // _LOWEST_HZ
    lags = correlation[:, shortest:longest]
    voiced = lags.max(axis=1) > _VOICED * np.maximum(correlation[:, 0], 1e-12)
    if not voiced.any():
        return None
    periods = lags[voiced].argmax(axis=1) + shortest
    return float(69 + 12 * np.log2(SAMPLE_RATE / np.median(periods) / 440.0))
