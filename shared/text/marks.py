"""Limit combining marks, since Unicode normalisation takes quadratic time to sort them."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_MOST_MARKS: Final = 30
"""Marks per letter in the Stream-Safe Text Format (Unicode Standard Annex 15)."""
_LONG_RUN: Final = re.compile(rf"[^\w\s\x00-\u02ff]{{{_MOST_MARKS + 1},}}")
"""A run that may have too many marks: none is a letter, a digit, a space or below U+0300."""


def without_stacks(text: str) -> str:
    """Return ``text`` without the marks that follow the thirtieth on one letter.

    No language writes that many. Apply it before text from outside is normalised.
    """
    return _LONG_RUN.sub(_limited, text)


def _limited(found: re.Match[str]) -> str:
    kept: list[str] = []
    marks = 0
    for character in found.group():
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        if marks <= _MOST_MARKS:
            kept.append(character)
    return "".join(kept)
