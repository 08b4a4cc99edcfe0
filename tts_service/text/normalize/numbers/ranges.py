"""Spell out ranges: `10-20` becomes `10 to 20`; the numbers are spelled out later."""

from __future__ import annotations

import re

from tts_service.text.normalize.locales import Language
from tts_service.text.normalize.numbers.spelled_out import year

_TO = {"en": "to", "es": "a", "fr": "à", "it": "a", "pt": "a"}
_NUMBER = r"\d++(?:[.,]\d++)*"
_RANGE = re.compile(
    rf"(?<![\w.,/-])([$€£]?{_NUMBER})(?: ?[–—] ?|-)([$€£]?{_NUMBER})"
    r"(?![\w/]*[-–]\d)(?=\W|[a-z%°]|$)"
)
_YEAR = re.compile(r"1[0-9]\d\d|20\d\d")


def ranges(text: str, language: Language) -> str:
    """Replace the dash between two numbers by "to" in the language."""
    return _RANGE.sub(lambda found: _spoken(found, language), text)


def _spoken(found: re.Match[str], language: Language) -> str:
    first, last = found[1], found[2]
    if language.code == "en" and _YEAR.fullmatch(first) and _YEAR.fullmatch(last):
        first, last = year(int(first), language), year(int(last), language)
    return f"{first} {_TO[language.code]} {last}"
