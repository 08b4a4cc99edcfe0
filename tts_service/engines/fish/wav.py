"""WAV as it arrives over a connection: the header is taken off, samples come out in any cut."""

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
    """Mono int16 samples of one WAV answer, fed in pieces of any length.

    A length of 0, or one as large as no file is, means "until the end": servers that write the
    header first do not know it yet. Where the length is real, fewer bytes are a cut answer and
    what follows the samples is not sound.

    Args:
        source: who sends it, for messages.
        max_seconds: sound beyond this is refused: a model that does not stop.

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
        """Samples that are complete with ``data``; none while the header is not.

        Raises:
            UpstreamUnavailable: no WAV of 16-bit mono samples (code ``not_audio``), or more than
                ``max_seconds`` (``too_long``).
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
        """The answer has ended.

        Raises:
            UpstreamUnavailable: nothing came (code ``empty_audio``), no audio (``not_audio``) or
                less than the header says (``cut``).
        """
        if self.sample_rate is None and self._head:
            raise self._fault("sent no audio", "not_audio")
        if self._taken == 0:
            raise self._fault("sent an empty answer", "empty_audio")
        if self._left or self._odd:
            raise self._fault("broke off", "cut")

    def _after_header(self) -> bytes:
        """What follows the header in the bytes held; empty while it is not complete."""
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
