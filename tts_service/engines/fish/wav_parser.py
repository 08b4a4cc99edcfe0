"""Parse a WAV stream incrementally."""

from __future__ import annotations

import struct

import numpy as np

from shared.audio.pcm import Pcm16
from shared.core.errors import UpstreamUnavailable

_LARGEST_BELIEVABLE = 0x7FFF0000
_MAX_HEADER_BYTES = 1 << 16
_PCM = 1
_EXTENSIBLE = 0xFFFE


class WavReader:
    """An incremental parser for one WAV response, which returns mono int16 samples.

    A length of 0, or an impossibly large one, means "until the end", for servers that write the
    header before they know the length. With a real length, fewer bytes are an incomplete response,
    and bytes after the samples are not audio.

    Args:
        source: name of the server, for error messages.
        max_seconds: limit of the audio, for models that do not stop.

    Attributes:
        sample_rate: Hz; None until the header was read.
    """

    def __init__(self, source: str, max_seconds: float) -> None:
        self._source = source
        self._max_seconds = max_seconds
        self._head = b""
        self._odd = b""
        self._left: int | None = None
        self._taken = 0
        self.sample_rate: int | None = None

    def feed(self, data: bytes) -> Pcm16:
        """Add data and return the complete samples; none until the header is complete.

        Raises:
            UpstreamUnavailable: not a WAV of 16-bit mono samples (code ``not_audio``), or longer
                than ``max_seconds`` (``too_long``).
        """
        if self.sample_rate is None:
            self._head += data
            data = self._after_header()
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        self._taken += len(data)
        if self.sample_rate and self._taken > self._max_seconds * self.sample_rate * 2:
            raise self._fault("sent no end", "too_long")
        whole = self._odd + data
        even = len(whole) // 2 * 2
        self._odd = whole[even:]
        return np.frombuffer(whole[:even], "<i2").astype(np.int16, copy=False)

    def finish(self) -> None:
        """Check that the response was complete.

        Raises:
            UpstreamUnavailable: the response was empty (code ``empty_audio``), not audio
                (``not_audio``), or shorter than its header states (``cut``).
        """
        if self.sample_rate is None and self._head:
            raise self._fault("sent no audio", "not_audio")
        if self._taken == 0:
            raise self._fault("sent an empty answer", "empty_audio")
        if self._left or self._odd:
            raise self._fault("broke off", "cut")

    def _after_header(self) -> bytes:
        """Return the buffered bytes after the header; empty while the header is incomplete."""
        head = self._head
        if head[:4] != b"RIFF"[: len(head)] or (len(head) >= 12 and head[8:12] != b"WAVE"):
            raise self._fault("sent no audio", "not_audio")
        position, rate = 12, 0
        while len(head) >= position + 8:
            name, size = struct.unpack_from("<4sI", head, position)
            position += 8
            if name == b"data":
                if not rate:
                    break
                self._left = size if 0 < size <= _LARGEST_BELIEVABLE else None
                self.sample_rate = rate
                self._head = b""
                return head[position:]
            if name == b"fmt " and len(head) >= position + 16:
                rate = self._checked_rate(head[position : position + 16])
            position += size + (size & 1)
            if position > _MAX_HEADER_BYTES:
                break
        else:
            return b""
        raise self._fault("sent no audio", "not_audio")

    def _checked_rate(self, fields: bytes) -> int:
        kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", fields)
        if kind not in (_PCM, _EXTENSIBLE) or channels != 1 or bits != 16 or not 4000 < rate < 2e5:
            raise self._fault("sent audio that is not 16-bit mono PCM", "not_audio")
        return int(rate)

    def _fault(self, what: str, code: str) -> UpstreamUnavailable:
        return UpstreamUnavailable(f"{self._source} {what}", code=code)
