"""Spell out fractions, written as `3/4` or as one character."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from tts_service.text.normalize.locales import Language
from tts_service.text.normalize.numbers.spelled_out import cardinal, ordinal

_CHARACTERS = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅒"
_CHARACTER = re.compile(rf"(?:(?<!\d)(\d++) ?)?([{_CHARACTERS}])")
_SLASHED = re.compile(r"(?<![\w./,])(?:(\d{1,3})[ -])?(\d{1,2})/(\d{1,2})(?![\w/]|[.,]\d)")
_HALVES = {"en": ("half", "halves"), "es": ("medio", "medios"), "fr": ("demi", "demis"),
           "it": ("mezzo", "mezzi"), "pt": ("meio", "meios")}  # fmt: skip
_SPECIAL: dict[str, dict[int, tuple[str, str]]] = {
    "en": {4: ("quarter", "quarters")},
    "es": {3: ("tercio", "tercios"), 4: ("cuarto", "cuartos")},
    "fr": {3: ("tiers", "tiers"), 4: ("quart", "quarts")},
    "it": {},
    "pt": {3: ("terço", "terços"), 4: ("quarto", "quartos")},
}
_AND = {"en": "and", "es": "y", "fr": "et", "it": "e", "pt": "e"}


def fractions(text: str, language: Language) -> str:
    """Spell out `1/2`, `2 3/4`, `¾`; other pairs such as `24/7` become two numbers."""
    text = _CHARACTER.sub(lambda found: _character(found, language), text)
    return _SLASHED.sub(lambda found: _slashed(found, language), text)


def _character(found: re.Match[str], language: Language) -> str:
    value = Fraction(unicodedata.numeric(found[2])).limit_denominator(10)
    spoken = _spoken(value.numerator, value.denominator, language)
    return f"{_whole(found[1], language)}{spoken}"


def _slashed(found: re.Match[str], language: Language) -> str:
    above, below = int(found[2]), int(found[3])
    if not (0 < above < below <= 10):
        whole = f"{found[1]} " if found[1] else ""
        return f"{whole}{found[2]} {found[3]}"
    return _whole(found[1], language) + _spoken(above, below, language)


def _whole(digits: str | None, language: Language) -> str:
    if not digits:
        return ""
    return f"{cardinal(int(digits[:15]), language)} {_AND[language.code]} "


def _spoken(above: int, below: int, language: Language) -> str:
    if below == 2:
        names = _HALVES[language.code]
    elif special := _SPECIAL[language.code].get(below):
        names = special
    else:
        one = ordinal(below, language)
        names = (one, one[:-1] + "i" if language.code == "it" else one + "s")
    if below == 2 and language.code in ("es", "pt"):
        return names[0]
    return f"{cardinal(above, language, noun=True)} {names[0 if above == 1 else 1]}"
