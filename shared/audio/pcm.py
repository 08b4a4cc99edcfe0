"""PCM audio types: sample arrays, the audio format and a stream of int16 chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from shared.core.streaming import close_quietly

Pcm16: TypeAlias = NDArray[np.int16]
"""Mono samples, shape ``(n,)``."""
Float32: TypeAlias = NDArray[np.float32]
"""Mono samples in [-1, 1], shape ``(n,)``."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Interleaved s16le PCM format: ``sample_rate`` in Hz, ``channels`` (1 within the mesh)."""

    sample_rate: int
    channels: int = 1


def whole_samples(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in chunks that are not split within a 2-byte sample."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        cut = len(data) & ~1
        rest = data[cut:]
        if cut:
            yield data[:cut]


@dataclass(slots=True)
class PcmStream:
    """A stream of mono int16 chunks with a known :class:`AudioFormat`.

    Closing the stream stops its producer (``GeneratorExit`` in the generator). The consumer must
    always close it, also after an error. It can be iterated once.

    Attributes:
        format: sample rate (Hz) and channels, known before the first chunk.
        chunks: mono int16 arrays of any length > 0.
        engine: name of the engine that produces the audio (``X-Engine``).
        headers: metadata for HTTP headers and stream events.
    """

    format: AudioFormat
    chunks: Iterator[Pcm16]
    engine: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Pcm16]:
        return self.chunks

    def close(self) -> None:
        """Stop the producer. Safe to call twice."""
        close_quietly(self.chunks)
