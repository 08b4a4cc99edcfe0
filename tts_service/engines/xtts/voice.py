"""Conditioning latents of a voice, and the recording they are computed from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.audio.decode import decode
from shared.audio.pcm import Float32
from shared.cache.embeddings import Arrays
from shared.core.errors import InvalidRequest
from tts_service.sound.trimming import trim

_RATE = 22_050
SHORTEST_S = 1.0
"""The model raises below 0.33 s; a voice needs more."""
USED_S = 30.0
_MAX_SECONDS = 600.0
_FIELDS = frozenset({"gpt", "speaker", "gain"})


@dataclass(slots=True)
class Latents:
    """Conditioning latents of one voice.

    Attributes:
        gpt: conditioning of the language model, shape ``(1, frames, width)``.
        speaker: conditioning of the vocoder, shape ``(1, 512, 1)``.
        gain: factor that brings the voice to the target loudness.
    """

    gpt: NDArray[np.float32]
    speaker: NDArray[np.float32]
    gain: float = 1.0

    def arrays(self) -> Arrays:
        """Return the arrays for a :class:`shared.cache.embeddings.EmbeddingCache`."""
        return {"gpt": self.gpt, "speaker": self.speaker, "gain": np.array(self.gain)}

    @classmethod
    def of(cls, arrays: Arrays) -> Latents | None:
        """Rebuild the latents from :meth:`arrays`; None where an array is missing."""
        if not arrays.keys() >= _FIELDS:
            return None
        gpt, speaker = (np.asarray(arrays[name], np.float32) for name in ("gpt", "speaker"))
        return cls(gpt, speaker, float(arrays["gain"]))


def conditioning_audio(recording: bytes) -> Float32:
    """Decode up to 30 s of a recording to 22.05 kHz mono, trimmed; any format FFmpeg reads.

    Raises:
        InvalidRequest: the recording has less than a second of sound.
        UnsupportedMedia, TooLarge: it cannot be decoded, or is longer than ten minutes.
    """
    samples = decode(recording, sample_rate=_RATE, max_seconds=_MAX_SECONDS)
    sound = trim(samples, _RATE)[: int(USED_S * _RATE)]
    if len(sound) < SHORTEST_S * _RATE:
        raise InvalidRequest(
            f"the sample has less than {SHORTEST_S:g} s of sound; 6 to 15 s of speech are best",
            param="sample",
            code="sample_too_short",
        )
    return np.ascontiguousarray(sound)
