"""Which channels of a recording to hear: pure arithmetic on channel statistics.

A plain mean is right for most recordings and wrong for two common ones: a silent channel halves
the level, and channels in antiphase (one wired the wrong way round) cancel each other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.audio.pcm import Float32

# 60 dB below the loudest channel is hum or dither, not a talker.
_SILENT_POWER_RATIO = 1e-6
# Independent channels lose 3 dB in the mean of two; 13 dB means that they cancel.
_CANCELLED_POWER_RATIO = 0.05


class ChannelStatistics:
    """Covariance of the channels of one recording, accumulated block by block."""

    def __init__(self, channels: int) -> None:
        self._count = 0
        self._sum = np.zeros(channels)
        self._products = np.zeros((channels, channels))

    def add(self, block: NDArray[np.float32]) -> None:
        """Take in samples of shape ``(channels, n)``."""
        samples = block.astype(np.float64)
        self._count += samples.shape[1]
        self._sum += samples.sum(axis=1)
        self._products += samples @ samples.T

    def weights(self) -> Float32:
        """Share of each channel in the mono signal, shape ``(channels,)``, adding up to 1.

        Silent channels get 0; if the mean of the others cancels, the loudest gets 1; otherwise
        they share equally. A constant offset counts as silence.
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
