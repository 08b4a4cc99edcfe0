"""How much is asked for, and what: texts, and audio that passes for speech."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared.audio.pcm import Float32

RATE = 16_000
CLAUSES = (
    "the train to boston leaves at half past nine,",
    "nobody in the village remembered the old road,",
    "when the rain had stopped for good at last,",
    "some of the letters were never opened at all,",
)
SENTENCES = (
    "please keep your ticket ready, it will be checked on board before we arrive at noon.",
    "a small lamp burned in the window of the house at the far end of the long valley.",
    "the children counted the boats that came back to the harbour before the storm broke.",
    "there is a bakery on the corner where they still make bread the way it used to be made.",
    "he wrote down every word that she had said, and read it again on the way back home.",
    "in the morning the market was full of people who had come from all over the country.",
)
WORDS = ("welcome", "goodbye", "thanks", "tomorrow", "perhaps")
_VOWELS = (
    (730, 1090, 2440),
    (270, 2290, 3010),
    (300, 870, 2240),
    (530, 1840, 2480),
    (570, 840, 2410),
)
"""Formants of English vowels, Hz (Peterson and Barney 1952, men)."""
_VOICE_HZ = 120.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How often, and how much.

    Attributes:
        tiny: the tests' models on a CPU instead of the published sizes.
        device: as the engines' settings name it.
        rounds: repetitions that count, after one that does not.
        requests: for speech, of each client in a round.
        recordings: to be recognised, of each client in a round.
        streams: clients at once.
        batches: recordings at once.
        clip_s: length of a recording, seconds.
        long_s: length of the long one, seconds.
    """

    tiny: bool
    device: str
    rounds: int
    requests: int
    recordings: int
    streams: tuple[int, ...] = (1, 4, 8, 16)
    batches: tuple[int, ...] = (1, 4, 16, 32)
    clip_s: float = 20.0
    long_s: float = 240.0


def texts(plan: Plan, client: int, number: int) -> tuple[str, ...]:
    """An answer as the service hands it over: a first clause, then two sentences.

    For the tiny models one word: a processor is kept busy by a longer sentence alone, where a GPU
    still waits for work, and that is what batches are for.
    """
    index = 3 * client + number
    if plan.tiny:
        return (WORDS[index % len(WORDS)],)
    first, second = index % len(SENTENCES), (index + 1) % len(SENTENCES)
    return CLAUSES[index % len(CLAUSES)], SENTENCES[first], SENTENCES[second]


def babble(seconds: float, seed: int) -> Float32:
    """Vowels of a made-up speaker, four to six a second, 16 kHz mono.

    The detector before the recognisers takes it for speech without pauses.
    """
    source = np.random.default_rng(seed)
    parts: list[Float32] = []
    wanted = int(seconds * RATE)
    while sum(map(len, parts)) < wanted:
        parts.append(_vowel(source, source.uniform(0.16, 0.26)))
    sound = np.concatenate(parts)[:wanted]
    return np.asarray(0.5 * sound / np.abs(sound).max(), np.float32)


def _vowel(source: np.random.Generator, seconds: float) -> Float32:
    count = int(seconds * RATE)
    pitch = _VOICE_HZ * source.uniform(0.85, 1.15) * np.linspace(1.05, 0.95, count)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    formants = _VOWELS[source.integers(len(_VOWELS))]
    sound = np.zeros(count)
    for harmonic in range(1, int(4000 / _VOICE_HZ)):
        distances = [
            (harmonic * _VOICE_HZ - formant) / width
            for formant, width in zip(formants, (60, 90, 120), strict=True)
        ]
        levels = [
            level / (1 + distance**2)
            for level, distance in zip((1.0, 0.5, 0.25), distances, strict=True)
        ]
        sound += sum(levels) * np.sin(harmonic * phase)
    sound *= np.sin(np.pi * np.linspace(0, 1, count)) ** 0.6
    onset = RATE // 20
    sound[:onset] += source.normal(0, 0.1, onset) * np.hanning(onset)
    return np.asarray(sound, np.float32)
