"""Spell out ordinals in digits, and number signs."""

from __future__ import annotations

import re

from tts_service.text.normalize.locales import Language
from tts_service.text.normalize.numbers.gender import gender
from tts_service.text.normalize.numbers.spelled_out import ordinal

_PATTERNS = {
    "en": re.compile(r"(?<![\w.,])(\d{1,4})(st|nd|rd|th)\b", re.IGNORECASE),
    "es": re.compile(
        r"(?<![\w.,])(\d{1,4})\.?(º|ª|°|er\b|ero\b|ra\b|era\b|da\b|ta\b|to\b|do\b)(?!C|F)"
    ),
    "fr": re.compile(r"(?<![\w.,])(\d{1,4})(ers?|res?|ères?|èmes?|emes?|es?|nde?s?|ᵉ)\b"),
    "it": re.compile(r"(?<![\w.,])(\d{1,4})(º|ª|°|esim[oaie]\b)(?! ?[CF]\b)"),
    "pt": re.compile(r"(?<![\w.,])(\d{1,4})\.?(º|ª|°|[oa]\b)(?! ?[CF]\b)"),
}
_FEMININE = frozenset(
    {"ª", "ra", "era", "da", "ta", "re", "res", "ère", "ères", "nde", "a", "esima"}
)
_NUMBER = {
    "en": (re.compile(r"(?<!\w)(?:#|No\. ?)(?=\d)"), "number "),
    "es": (re.compile(r"(?<!\w)(?:#|[nN]\.?[º°o]\.? ?|[nN]úm\. ?)(?=\d)"), "número "),
    "fr": (re.compile(r"(?<!\w)(?:#|[nN][º°] ?)(?=\d)"), "numéro "),
    "it": (re.compile(r"(?<!\w)(?:#|[nN][º°] ?|[nN]\. )(?=\d)"), "numero "),
    "pt": (re.compile(r"(?<!\w)(?:#|[nN]\.?[º°o]\.? ?)(?=\d)"), "número "),
}
_NEXT = re.compile(r" ([^\W\d_]+)")


def ordinals(text: str, language: Language) -> str:
    """Spell out `1st`, `3.º`, `2ª`, `1er`, `22e`, `3°`, and `nº 5`, `#5`, `No. 5`."""
    sign, word = _NUMBER[language.code]
    text = sign.sub(word, text)
    return _PATTERNS[language.code].sub(lambda found: _spoken(found, language), text)


def _spoken(found: re.Match[str], language: Language) -> str:
    value, ending = int(found[1]), found[2].lower()
    following = _NEXT.match(found.string, found.end())
    if not value or (ending == "°" and value > (31 if following else 12)):
        return found.group()  # more likely degrees
    kind = "f" if ending in _FEMININE else "m"
    noun = following is not None and gender(following[1], language.code) != "f"
    if value == 2 and ending in ("nd", "nde", "nds", "ndes") and language.code == "fr":
        return {"nd": "second", "nde": "seconde"}.get(ending, ending.replace("nd", "second"))
    plural = ending.endswith("s") and language.code == "fr" and ending not in ("es",)
    return ordinal(value, language, kind, noun=noun) + ("s" if plural else "")
