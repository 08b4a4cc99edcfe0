"""Convert faster-whisper's segments to the mesh's segments."""

from __future__ import annotations

from typing import Any

from shared.wire.transcription import Segment, Word


def as_segment(found: Any) -> Segment:
    """Convert a faster-whisper segment, whose times are NumPy scalars that JSON cannot encode."""
    words = None
    if found.words is not None:
        words = [
            Word(
                word=word.word.strip(),
                start=float(word.start),
                end=float(word.end),
                probability=float(word.probability),
            )
            for word in found.words
        ]
    return Segment(
        start=float(found.start),
        end=float(found.end),
        text=found.text,
        tokens=list(found.tokens),
        temperature=float(found.temperature or 0.0),
        avg_logprob=float(found.avg_logprob),
        compression_ratio=float(found.compression_ratio),
        no_speech_prob=float(found.no_speech_prob),
        words=words,
    )
