"""Self-test of a speech engine: speak a few words, encode them and decode them again."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np

from shared.audio.decode import decode
from shared.audio.encode import encode_stream
from shared.audio.pcm import Pcm16
from shared.core.errors import EngineFailure
from tts_service.engines.base import SynthesisRequest, TtsEngine
from tts_service.text.pieces import pieces_of

log = logging.getLogger(__name__)

TEXT = "1, 2, 3."
"""Spoken in any language, and goes through the rules for numbers."""
_LEAST_S = 0.1
_TOLERANCE_S = 0.2
"""MP3 pads to whole frames and has a delay of its own: less than 0.1 s at the rates of speech."""


def self_test(engine: TtsEngine) -> None:
    """Speak, encode to MP3 and decode: all that an answer and a voice sample need of this process.

    An engine behind a URL is not asked, since that costs money or somebody else's time; nor is one
    that has no voice of its own.

    Args:
        engine: loaded.

    Raises:
        MeshError: a step failed.
        EngineFailure: there is no sound, or encoding and decoding change its length.
    """
    voices = engine.voices()
    if engine.device == "remote" or not voices:
        return
    voice = voices[0]
    pieces = pieces_of(TEXT, voice.language, first_clause_chars=None)
    stream = engine.synthesize(SynthesisRequest(pieces, voice.language, voice))
    rate = stream.format.sample_rate
    spoken = 0

    def counted() -> Iterator[Pcm16]:
        nonlocal spoken
        for chunk in stream.chunks:
            spoken += chunk.size
            yield chunk

    encoded = b"".join(encode_stream(counted(), stream.format, "mp3"))
    if spoken < _LEAST_S * rate:
        raise EngineFailure(f"self-test: '{TEXT}' gave {spoken / rate:.2f} s of sound")
    decoded = decode(encoded, sample_rate=rate, max_seconds=60.0)
    if abs(decoded.size - spoken) > _TOLERANCE_S * rate:
        raise EngineFailure(
            f"self-test: {spoken / rate:.2f} s of sound came back from the encoder and the decoder "
            f"as {decoded.size / rate:.2f} s"
        )
    if not np.any(np.abs(decoded) > 1e-3):
        raise EngineFailure(f"self-test: '{TEXT}' gave silence")
    log.info("self-test", extra={"engine": engine.spec.name, "seconds": round(spoken / rate, 2)})
