"""Split a line into words and punctuation, for all languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from shared.text.marks import without_stacks

PUNCTUATION = ';:,.!?—…"()“”'
"""Marks that Kokoro was trained with; they determine pauses and intonation."""

_SIMPLER = str.maketrans(
    "«»„–―[]{}’ʼ‘。，、！？：；（）¿¡",
    "“”“——()()'''.,,!?:;()  ",
)

_TOKEN = re.compile(rf"[^\W\d_]+(?:'[^\W\d_]+)*'?|[{re.escape(PUNCTUATION)}]|\s+|-")


def plain_punctuation(text: str) -> str:
    """Convert text to NFC with the punctuation marks that Kokoro knows.

    Typographic and full-width marks are replaced.
    """
    return unicodedata.normalize("NFC", without_stacks(text)).translate(_SIMPLER)


def tokens(text: str) -> Iterator[str]:
    """Yield words (with their apostrophes), single marks, hyphens and single spaces, in order.

    Other characters (digits, symbols) have no sound here and are dropped;
    `tts_service.text.normalize` spells out numbers.
    """
    for match in _TOKEN.finditer(plain_punctuation(text)):
        found = match.group()
        yield " " if found.isspace() else found


def is_word(token: str) -> bool:
    """Check whether a token is a word."""
    return token[0].isalpha()
