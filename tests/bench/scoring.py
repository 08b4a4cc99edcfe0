"""Word error rate, as every bench and test of this project counts it.

Reference and transcript go through the same steps: numbers, prices, dates and abbreviations are
written out (a recogniser chooses freely between `10:30` and `ten thirty`), then lower case,
without punctuation. Accents stay: `año` and `ano` are different words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tts_service.text.normalize import normalize

_NOT_WORD = re.compile(r"[^\w]+|_")
_DIGIT_RUN = re.compile(r"\d{3,}(?:[ ,.-]+\d+)*")
_SPELLINGS = {
    # Two spellings of one and the same word, said alike.
    "en": {
        "mr": "mister",
        "mrs": "missus",
        "misses": "missus",
        "dr": "doctor",
        "ok": "okay",
        "kilometre": "kilometer",
        "kilometres": "kilometers",
        "colour": "color",
    },
    "pt": {"catorze": "quatorze"},
    "es": {"sr": "señor", "sra": "señora"},
    "it": {"percento": "per cento"},
}


@dataclass(frozen=True, slots=True)
class Score:
    """Errors (substitutions, insertions, deletions) and the words they are counted against."""

    errors: int
    words: int

    @property
    def rate(self) -> float:
        """Word error rate, 0-1 and above; 0 where there is nothing to get wrong."""
        return self.errors / self.words if self.words else float(self.errors > 0)

    def __add__(self, other: Score) -> Score:
        return Score(self.errors + other.errors, self.words + other.words)


def words(text: str, language: str) -> list[str]:
    """The words of `text` in the form in which they are compared."""
    code = language.split("-", maxsplit=1)[0]
    spoken = unicodedata.normalize("NFC", normalize(text, language)).lower()
    spellings = _SPELLINGS.get(code, {})
    found: list[str] = []
    for word in _NOT_WORD.split(spoken):
        found += spellings.get(word, word).split()
    return found


def score(reference: str, transcript: str, language: str) -> Score:
    """Compare one transcript with what was said."""
    expected = words(reference, language)
    return Score(_distance(expected, words(transcript, language)), len(expected))


def best_score(
    references: Iterable[str], transcript: str, language: str, *, digits: bool = False
) -> Score:
    """The best score over several texts that would all be a right reading.

    Args:
        references: right readings.
        transcript: what was heard.
        language: of both.
        digits: the text has a number said digit by digit (a telephone); then `555` in the
            transcript also stands for three fives, however the recogniser groups them.
    """
    heard = [transcript]
    if digits:
        heard.append(
            _DIGIT_RUN.sub(lambda found: " ".join(re.findall(r"\d", found[0])), transcript)
        )
    return min(
        (score(each, text, language) for each in references for text in heard),
        key=lambda found: found.rate,
    )


def total(scores: Iterable[Score]) -> Score:
    """All errors over all words: long sentences weigh more."""
    return sum(scores, Score(0, 0))


def _distance(expected: Sequence[str], heard: Sequence[str]) -> int:
    """Levenshtein distance in words."""
    row = list(range(len(heard) + 1))
    for index, word in enumerate(expected, 1):
        previous, row[0] = row[0], index
        for column, other in enumerate(heard, 1):
            previous, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, previous + (word != other)),
            )
    return row[-1]
