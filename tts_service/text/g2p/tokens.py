"""Cutting a line into words and punctuation, the same way for every language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

PUNCTUATION = ';:,.!?—…"()“”'
"""Marks that Kokoro was trained with; they carry the pauses and the melody."""

_SIMPLER = str.maketrans(
    {
        "«": "“",
        "»": "”",
        "„": "“",
        "–": "—",
        "―": "—",
        "[": "(",
        "]": ")",
        "{": "(",
        "}": ")",
        "’": "'",
        "ʼ": "'",
        "‘": "'",
        "。": ".",
        "，": ",",
        "、": ",",
        "！": "!",
        "？": "?",
        "：": ":",
        "；": ";",
        "（": "(",
        "）": ")",
        "¿": " ",
        "¡": " ",
    }
)

_TOKEN = re.compile(rf"[^\W\d_]+(?:'[^\W\d_]+)*'?|[{re.escape(PUNCTUATION)}]|\s+|-")


def plain_punctuation(text: str) -> str:
    """`text` in NFC with typographic and full-width marks as the ones Kokoro knows."""
    return unicodedata.normalize("NFC", text).translate(_SIMPLER)


def tokens(text: str) -> Iterator[str]:
    """Words (with their apostrophes), single marks, hyphens and single spaces, in order.

    Everything else (digits, symbols) has no sound at this stage and is left out; spelling
    numbers is the work of `tts_service.text.normalize`.
    """
    for match in _TOKEN.finditer(plain_punctuation(text)):
        found = match.group()
        yield " " if found.isspace() else found


def is_word(token: str) -> bool:
    """Whether a token has letters."""
    return token[0].isalpha()
