"""Whisper decoding of short passages in a shortened encoder window.

Whisper pads every passage to 30 s, and encoding the padding takes most of the time of a short one.
The encoder accepts shorter input (it uses fewer positions), but was not trained on it.
:func:`looks_wrong` therefore checks each result, and a rejected one is decoded again in full.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from shared.audio.pcm import Float32
from shared.wire.transcription import Segment
from stt_service.engines.base import SAMPLE_RATE, Options

LONGEST_S = 20.0
"""Longest passage for the fast path; longer ones gain too little from a shorter window."""
SHORTEST_WINDOW_S = 10.0
"""Shortest encoder window; below it the model repeats itself or stops early."""
MARGIN_S = 1.0
_FRAMES_PER_S = 100
_MAX_TOKENS_PER_S = 15
"""Token limit: fast speech has about 5 words (10 tokens) a second; more is a repetition loop."""
_MIN_LOGPROB = -0.7
_MAX_COMPRESSION = 2.0
_MAX_NO_SPEECH = 0.5
_MIN_WORDS_PER_S = 0.4


class FastPath:
    """Beam-search decoding of one short passage without timestamps."""

    def __init__(self, model: Any, beam: int) -> None:
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_suppressed_tokens

        self._model = model
        self._beam = beam
        self._tokenizer: Any = Tokenizer
        self._suppressed: Any = get_suppressed_tokens

    def takes(self, samples: Float32) -> bool:
        """Check whether a passage is short enough for the fast path."""
        return len(samples) <= LONGEST_S * SAMPLE_RATE

    def encode(self, samples: Float32) -> Any:
        """Encode a passage for :meth:`language` and :meth:`decode`."""
        return self._model.encode(self._features(samples))

    def language(self, encoded: Any) -> tuple[str, float]:
        """Return the most likely language tag and its probability."""
        token, probability = self._model.model.detect_language(encoded)[0][0]
        return token.strip("<|>"), float(probability)

    def decode(self, encoded: Any, seconds: float, language: str, options: Options) -> Segment:
        """Decode an encoded passage of ``seconds`` into one segment that spans it."""
        model = self._model
        tokenizer = self._tokenizer(
            model.hf_tokenizer, model.model.is_multilingual, task=options.task, language=language
        )
        previous = tokenizer.encode(" " + options.prompt.strip()) if options.prompt else []
        prompt = model.get_prompt(tokenizer, previous, without_timestamps=True)
        limit = min(model.max_length, len(prompt) + 16 + int(_MAX_TOKENS_PER_S * seconds))
        found = model.model.generate(
            encoded,
            [prompt],
            beam_size=self._beam,
            max_length=limit,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=self._suppressed(tokenizer, [-1]),
        )[0]
        tokens = list(found.sequences_ids[0])
        text = tokenizer.decode(tokens)
        raw = text.strip().encode()
        return Segment(
            start=0.0,
            end=seconds,
            text=text,
            tokens=tokens,
            # The score is the mean over the tokens; Whisper's own measure includes the end token.
            avg_logprob=float(found.scores[0]) * len(tokens) / (len(tokens) + 1),
            compression_ratio=len(raw) / len(zlib.compress(raw)) if raw else 0.0,
            no_speech_prob=float(found.no_speech_prob),
        )

    def _features(self, samples: Float32) -> Any:
        window_s = max(SHORTEST_WINDOW_S, len(samples) / SAMPLE_RATE + MARGIN_S)
        frames = int(window_s * _FRAMES_PER_S) // 2 * 2
        padded = np.pad(samples, (0, frames * SAMPLE_RATE // _FRAMES_PER_S - len(samples)))
        return self._model.feature_extractor(padded)[:, :frames]


def looks_wrong(segment: Segment, seconds: float) -> bool:
    """Check whether a fast-path result is unreliable.

    Args:
        segment: the result.
        seconds: length of the passage, all of it speech.
    """
    words = len(segment.text.split())
    tokens_at_limit = len(segment.tokens) >= 12 + _MAX_TOKENS_PER_S * seconds
    return (
        tokens_at_limit
        or words < _MIN_WORDS_PER_S * seconds
        or segment.avg_logprob < _MIN_LOGPROB
        or segment.compression_ratio > _MAX_COMPRESSION
        or segment.no_speech_prob > _MAX_NO_SPEECH
    )
