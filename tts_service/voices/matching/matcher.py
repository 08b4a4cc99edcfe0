"""Match a recording to the most similar built-in voice or mix of voices."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.audio.decode import decode
from shared.audio.pcm import Float32
from shared.audio.samples import resample
from shared.cache.base import cache_key
from shared.cache.embeddings import EmbeddingCache
from shared.core.errors import InvalidRequest
from tts_service.voices.matching.least_squares import non_negative_least_squares
from tts_service.voices.matching.pitch import median_pitch
from tts_service.voices.matching.speaker_encoder import SAMPLE_RATE, SpeakerEncoder, speech_only

Synthesize = Callable[[NDArray[np.float32]], tuple[Float32, int]]
"""Synthesises a calibration sentence in a style and returns it with its sample rate."""

VERSION = 2
"""Part of the cache key; increase it when the matching algorithm changes."""
SHORTEST_S = 1.0
USED_S = 30.0
MAX_SECONDS = 600.0
SMALLEST_WEIGHT = 0.05
"""Voices with a smaller weight are dropped: they blur the mix and are inaudible."""
REGISTER_SEMITONES = 4.0
"""Largest pitch distance of a candidate voice to the recording, if there are enough candidates.

The encoder tolerates a wrong register, but listeners do not.
"""
FEWEST_CANDIDATES = 6
EMBEDDINGS = Path(__file__).with_name("kokoro_embeddings.npz")
_FIELDS = frozenset({"style", "similarity", "names", "weights"})


@dataclass(frozen=True, slots=True)
class KnownVoice:
    """Acoustic features of a built-in voice.

    Attributes:
        embedding: embedding of its calibration sentence, shape ``(256,)``.
        pitch: median pitch as a MIDI note number.
    """

    embedding: Float32
    pitch: float


@dataclass(frozen=True, slots=True)
class MatchedVoice:
    """The result of voice matching.

    Attributes:
        id: ``match-`` and twelve hexadecimal digits of the cache key, which includes the recording.
        style: shape ``(510, 256)``.
        similarity: cosine similarity of the recording and the matched voice's speech. It is
            optimistic, since the same encoder made the choice.
        voices: weights of the built-in voices.
        cached: whether it was loaded from the cache.
    """

    id: str
    style: NDArray[np.float32]
    similarity: float
    voices: Mapping[str, float]
    cached: bool = False


class VoiceMatcher:
    """Matches recordings to voices and caches the results by content.

    Args:
        styles: styles of the voices, each ``(510, 256)``.
        encoder: speaker encoder.
        cache: cache of matches, half a megabyte each.
        synthesize: synthesises speech in a candidate's style for the comparison.
        known: features of the voices; those shipped with the package where not given.
    """

    def __init__(
        self,
        styles: Mapping[str, NDArray[np.float32]],
        encoder: SpeakerEncoder,
        cache: EmbeddingCache,
        synthesize: Synthesize,
        known: Mapping[str, KnownVoice] | None = None,
    ) -> None:
        known = load_known_voices() if known is None else known
        self._known = {name: known[name] for name in sorted(styles) if name in known}
        self._styles = styles
        self._encoder = encoder
        self._cache = cache
        self._synthesize = synthesize
        self._lock = threading.Lock()
        # Part of the cache key, since other styles would give another voice.
        self._sounds = cache_key(**{name: styles[name].tobytes() for name in self._known})

    def match(self, recording: bytes) -> MatchedVoice:
        """Find the voice for a recording in any format that FFmpeg reads.

        Raises:
            InvalidRequest: the recording has less than a second of speech.
            UnsupportedMedia, TooLarge: it cannot be decoded, or is longer than ten minutes.
        """
        key = cache_key(
            engine="kokoro", made="match", version=VERSION, voices=self._sounds, recording=recording
        )
        # One at a time: concurrent callers with the same recording compute it once, and a match
        # uses all processors anyway.
        with self._lock:
            found = self._recall(key)
            if found is not None:
                return found
            made = self._make(key, recording)
            self._remember(key, made)
            return made

    def _make(self, key: str, recording: bytes) -> MatchedVoice:
        samples = decode(recording, sample_rate=SAMPLE_RATE, max_seconds=MAX_SECONDS)
        speech = speech_only(samples)[: int(USED_S * SAMPLE_RATE)]
        if len(speech) < SHORTEST_S * SAMPLE_RATE:
            raise InvalidRequest(
                f"the sample has less than {SHORTEST_S:g} s of speech; 5 to 15 s are best",
                param="sample",
                code="sample_too_short",
            )
        target = self._encoder.embed(speech)
        best: tuple[float, NDArray[np.float32], dict[str, float]] | None = None
        for weights in self._candidates(target.astype(np.float64), median_pitch(speech)):
            style = sum(w * self._styles[name] for name, w in weights.items())
            mixed = np.asarray(style, np.float32)
            similarity = float(self._embed_style(mixed) @ target)
            if best is None or similarity > best[0]:
                best = (similarity, mixed, weights)
        if best is None:
            raise AssertionError("there is always a nearest voice")
        return MatchedVoice(_id(key), best[1], best[0], best[2])

    def _candidates(
        self, target: NDArray[np.float64], pitch: float | None
    ) -> list[dict[str, float]]:
        names = self._in_register(pitch)
        matrix = np.stack(
            [self._known[name].embedding.astype(np.float64) for name in names], axis=1
        )
        single = {names[int(np.argmax(matrix.T @ target))]: 1.0}
        weights = non_negative_least_squares(matrix, target)
        weights = np.where(weights >= SMALLEST_WEIGHT * weights.sum(), weights, 0.0)
        if weights.sum() <= 0 or np.count_nonzero(weights) < 2:
            return [single]
        weights = weights / weights.sum()
        mix = {n: float(w) for n, w in zip(names, weights, strict=True) if w > 0}
        return [mix, single]

    def _in_register(self, pitch: float | None) -> list[str]:
        """Return the voices of similar pitch, or all where the recording's pitch is unknown."""
        if pitch is None:
            return list(self._known)
        away = {name: abs(voice.pitch - pitch) for name, voice in self._known.items()}
        nearest = sorted(away, key=away.__getitem__)
        return [
            name
            for rank, name in enumerate(nearest)
            if rank < FEWEST_CANDIDATES or away[name] <= REGISTER_SEMITONES
        ]

    def _embed_style(self, style: NDArray[np.float32]) -> Float32:
        return embed_speech(self._encoder, *self._synthesize(style))

    def _recall(self, key: str) -> MatchedVoice | None:
        stored = self._cache.get(key)
        if stored is None or not stored.keys() >= _FIELDS:
            return None
        weights = zip(stored["names"].tolist(), stored["weights"].tolist(), strict=True)
        return MatchedVoice(
            _id(key),
            stored["style"].astype(np.float32, copy=False),
            float(stored["similarity"]),
            dict(weights),
            cached=True,
        )

    def _remember(self, key: str, voice: MatchedVoice) -> None:
        self._cache.put(
            key,
            {
                "style": voice.style,
                "similarity": np.array(voice.similarity),
                "names": np.array(list(voice.voices)),
                "weights": np.array(list(voice.voices.values())),
            },
        )


def _id(key: str) -> str:
    return f"match-{key[:12]}"


def embed_speech(encoder: SpeakerEncoder, samples: Float32, rate: int) -> Float32:
    """Return the embedding of synthesised speech at any sample rate, shape ``(256,)``."""
    return encoder.embed(speech_only(resample(samples, rate, SAMPLE_RATE)))


def sound_of(encoder: SpeakerEncoder, samples: Float32, rate: int) -> KnownVoice:
    """Return the features of synthesised speech at any sample rate.

    Raises:
        ValueError: no frame is voiced.
    """
    pitch = median_pitch(speech_only(resample(samples, rate, SAMPLE_RATE)))
    if pitch is None:
        raise ValueError("speech without a voiced frame")
    return KnownVoice(embed_speech(encoder, samples, rate), pitch)


def load_known_voices(path: Path = EMBEDDINGS) -> dict[str, KnownVoice]:
    """Load the shipped features of the Kokoro voices (``scripts/build_voice_embeddings.py``)."""
    with np.load(path, allow_pickle=False) as stored:
        rows = zip(
            stored["names"].tolist(), stored["embeddings"], stored["pitches"].tolist(), strict=True
        )
        return {name: KnownVoice(row.astype(np.float32), pitch) for name, row, pitch in rows}
