"""Limits on the length and on the number of samples of one recording.

Compressed silence takes almost no bytes: two megabytes of FLAC can hold hours of seven channels.
The size of the upload therefore does not bound the processor time of decoding, but the number of
samples does.
"""

from __future__ import annotations

from typing import Any

from shared.audio.source import AudioSource
from shared.core.errors import TooLarge

MOST_SAMPLES = 1_000_000_000
"""Samples of all channels that are decoded of any recording, about 20 s of processor time.

Two hours of stereo at 48 kHz have 691 million.
"""
_ORDINARY_RATE, _ORDINARY_CHANNELS = 48_000, 2
_HEADER_SLACK_S = 1.0


class DecodingLimits:
    """The limits for one recording, checked against its header and while it is decoded.

    Where ``MAX_AUDIO_SECONDS`` is raised, the number of samples is too, so that the longest
    recording may always be stereo at 48 kHz.

    Args:
        max_seconds: maximum length, seconds.
        sample_rate: requested sample rate, Hz; None keeps the file's own.
    """

    def __init__(self, max_seconds: float, sample_rate: int | None) -> None:
        self._max_seconds = max_seconds
        self._sample_rate = sample_rate or 0
        self._max_samples = max(MOST_SAMPLES, max_seconds * _ORDINARY_RATE * _ORDINARY_CHANNELS)
        self._samples = 0.0

    def check_header(self, opened: AudioSource) -> None:
        """Check the length that the header declares, if it declares one.

        Raises:
            TooLarge: the recording is too long (``audio_too_long``) or has too many samples
                (``too_many_samples``).
        """
        seconds = opened.declared_seconds
        if seconds is None:
            return
        if seconds > self._max_seconds + _HEADER_SLACK_S:
            raise self._too_long()
        if self._cost(seconds, opened.sample_rate, opened.channels) > self._max_samples:
            raise self._too_many()

    def count(self, opened: AudioSource, frame: Any) -> None:
        """Count a decoded ``av.AudioFrame``. Raises the errors of :meth:`check_header`."""
        if opened.seconds > self._max_seconds + 1e-6:
            raise self._too_long()
        rate = frame.sample_rate
        self._samples += self._cost(frame.samples / rate, rate, len(frame.layout.channels))
        if self._samples > self._max_samples:
            raise self._too_many()

    def _cost(self, seconds: float, rate: int, channels: int) -> float:
        # Samples of a low rate are resampled to the requested one.
        return seconds * max(rate, self._sample_rate) * channels

    def _too_long(self) -> TooLarge:
        return TooLarge(
            f"the recording is longer than {self._max_seconds:g} seconds",
            param="file",
            code="audio_too_long",
        )

    def _too_many(self) -> TooLarge:
        return TooLarge(
            f"the recording has more than {self._max_samples / 1e6:.0f} million samples in all its "
            "channels; send fewer channels, a lower sample rate or a shorter recording",
            param="file",
            code="too_many_samples",
        )
