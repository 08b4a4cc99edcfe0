"""Measure the loudness of voices, and bring each to the target with one static gain.

Method: ITU-R BS.1770-4 / EBU R 128. K-weighting, mean square over 400 ms blocks with 75 % overlap,
absolute gate at -70 LUFS, relative gate 10 LU below the mean of what passed. Every voice has one
gain, from its own loudness to :data:`TARGET_LUFS`, for everything it says. Sentences keep their
natural differences, and the gain does not move with time. Peaks above the knee are bent by a
memoryless curve that approaches -1 dBFS, so that no sample clips and chunk borders do not matter.
"""

from __future__ import annotations

import numpy as np

from shared.audio.pcm import Float32, Pcm16

TARGET_LUFS = -23.0
"""EBU R 128 programme loudness."""

CALIBRATION = "The quick brown fox jumps over the lazy dog, and everybody watches it run away."
"""The sentence on which the loudness of English voices is measured."""

MAX_GAIN_DB = 24.0
"""Largest gain. A voice that needs more is broken, and more gain would only lift its noise."""

_CEILING = 10 ** (-1.0 / 20)
_KNEE = 10 ** (-4.0 / 20)
_BLOCK_S = 0.4
_STEP_S = 0.1


def _biquad_response(b: tuple[float, ...], a: tuple[float, ...], w: np.ndarray) -> np.ndarray:
    z = np.exp(-1j * w)
    return np.asarray((b[0] + b[1] * z + b[2] * z * z) / (a[0] + a[1] * z + a[2] * z * z))


def _k_weighting(frequencies_hz: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the response of the two K-weighting filters at ``sample_rate``.

    BS.1770 tabulates coefficients for 48 kHz only; these are the analogue prototypes behind them
    (high shelf 1681.97 Hz, +4 dB, Q 0.7072; high pass 38.135 Hz, Q 0.5003), bilinear-transformed
    for the rate at hand as in De Man, "Evaluation of implementations of the EBU R128 loudness
    measurement" (AES 145, 2018).
    """
    w = 2 * np.pi * frequencies_hz / sample_rate
    k = np.tan(np.pi * 1681.974450955533 / sample_rate)
    q = 0.7071752369554196
    vh = 10 ** (3.999843853973347 / 20)
    vb = vh**0.4996667741545416
    shelf_a = (1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k)
    shelf_b = (vh + vb * k / q + k * k, 2 * (k * k - vh), vh - vb * k / q + k * k)
    k = np.tan(np.pi * 38.13547087602444 / sample_rate)
    q = 0.5003270373238773
    pass_a = (1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k)
    # The standard's second stage has numerator (1, -2, 1) without the normalisation.
    pass_b = (pass_a[0], -2 * pass_a[0], pass_a[0])
    shelf = _biquad_response(shelf_b, shelf_a, w)
    return np.asarray(shelf * _biquad_response(pass_b, pass_a, w))


def integrated_lufs(samples: Float32, sample_rate: int) -> float:
    """Return the integrated loudness of mono ``samples`` in LUFS.

    ``-inf`` where every block is gated out.

    Audio shorter than one block (400 ms) is measured as one block of its own length.
    """
    if samples.size == 0:
        return float("-inf")
    # Filtering by spectrum needs room for the filters' tails, else they wrap to the start.
    padded = samples.size + sample_rate // 2
    spectrum = np.fft.rfft(samples.astype(np.float64), padded)
    spectrum *= _k_weighting(np.fft.rfftfreq(padded, 1 / sample_rate), sample_rate)
    weighted = np.fft.irfft(spectrum, padded)[: samples.size]
    block = min(samples.size, round(_BLOCK_S * sample_rate))
    step = max(1, round(_STEP_S * sample_rate))
    squares = np.concatenate(([0.0], np.cumsum(weighted * weighted)))
    starts = np.arange(0, samples.size - block + 1, step)
    power = np.maximum((squares[starts + block] - squares[starts]) / block, 1e-12)
    loudness = -0.691 + 10 * np.log10(power)
    audible = loudness > -70.0
    if not audible.any():
        return float("-inf")
    relative_gate = -0.691 + 10 * np.log10(power[audible].mean()) - 10.0
    kept = power[audible & (loudness > relative_gate)]
    return float(-0.691 + 10 * np.log10(kept.mean()))


def gain_for(measured_lufs: float) -> float:
    """Return the factor that takes a voice of ``measured_lufs`` to the target; 1 for silence."""
    if not np.isfinite(measured_lufs):
        return 1.0
    decibels = min(MAX_GAIN_DB, TARGET_LUFS - measured_lufs)
    return float(10 ** (decibels / 20))


def limit(samples: Float32) -> Float32:
    """Return ``samples`` with peaks above -4 dBFS bent smoothly below -1 dBFS."""
    magnitude = np.abs(samples)
    loud = magnitude > _KNEE
    if not loud.any():
        return samples
    room = _CEILING - _KNEE
    bent = samples.copy()
    bent[loud] = np.sign(samples[loud]) * (_KNEE + room * np.tanh((magnitude[loud] - _KNEE) / room))
    return bent


def to_pcm16(samples: Float32) -> Pcm16:
    """Limit ``samples`` and return them as int16, rounded to nearest."""
    scaled: Float32 = limit(samples) * np.float32(32767.0)
    return np.rint(scaled).astype(np.int16)
