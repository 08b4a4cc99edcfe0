"""Compute mono downmix weights from the statistics of a recording's channels.

The plain mean of the channels suits most recordings, with two common exceptions: a silent channel
halves the level, and channels in antiphase (one has its polarity inverted) cancel each other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.audio.pcm import Float32

# A channel 60 dB below the loudest contains hum or dither, not speech.
_SILENT_POWER_RATIO = 1e-6
# The mean of two independent channels loses 3 dB; a loss of 13 dB means that they cancel.
_CANCELLED_POWER_RATIO = 0.05


class ChannelStatistics:
    """Covariance matrix of a recording's channels, accumulated block by block."""

    def __init__(self, channels: int) -> None:
        self._count = 0
        self._sum = np.zeros(channels)
        self._products = np.zeros((channels, channels))

    def add(self, block: NDArray[np.float32]) -> None:
        """Add samples of shape ``(channels, n)``."""
        samples = block.astype(np.float64)
        self._count += samples.shape[1]
        self._sum += samples.sum(axis=1)
        self._products += samples @ samples.T

    def weights(self) -> Float32:
        """Return the weight of each channel in the mono mix, shape ``(channels,)``, summing to 1.

        Silent channels get weight 0. If the mean of the other channels cancels, the loudest channel
        gets weight 1; otherwise they are weighted equally. A constant offset counts as silence.
        """
        count = max(1, self._count)
        mean = self._sum / count
        covariance = self._products / count - np.outer(mean, mean)
        power = np.diag(covariance)
        loudest = int(np.argmax(power))
        active = power > power[loudest] * _SILENT_POWER_RATIO
        if power[loudest] <= 0 or not active.any():
            active = np.ones_like(active)
        weights = active / active.sum()
        mixed = float(weights @ covariance @ weights)
        if mixed < _CANCELLED_POWER_RATIO * float(power[active].mean()):
            weights = np.zeros_like(weights)
            weights[loudest] = 1.0
        shares: Float32 = weights.astype(np.float32)
        return shares
