"""PCM as it moves through the mesh: a format known before the first byte, then int16 chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Pcm16: TypeAlias = NDArray[np.int16]
"""Mono samples, shape ``(n,)``."""
Float32: TypeAlias = NDArray[np.float32]
"""Mono samples in [-1, 1], shape ``(n,)``."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Interleaved s16le PCM: ``sample_rate`` in Hz, ``channels`` (the mesh itself uses 1)."""

    sample_rate: int
    channels: int = 1

    @property
    def bytes_per_second(self) -> int:
        """Bytes of one second of s16le audio."""
        return self.sample_rate * self.channels * 2


@dataclass(slots=True)
class PcmStream:
    """Audio that is being made: an :class:`AudioFormat` and an iterator of mono int16 chunks.

    Closing the stream stops the work behind it (``GeneratorExit`` in the producer); it is closed
    by whoever consumes it, always, also after an error. It can be iterated once.

    Attributes:
        format: sample rate (Hz) and channels, known before the first chunk.
        chunks: mono int16 arrays of any length > 0.
        engine: name of the engine that makes it (``X-Engine``).
        headers: facts about the answer for HTTP headers and stream events.
    """

    format: AudioFormat
    chunks: Iterator[Pcm16]
    engine: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Pcm16]:
        return self.chunks

    def close(self) -> None:
        """Stop the producer; safe to call twice."""
        close = getattr(self.chunks, "close", None)
        if close is not None:
            close()
