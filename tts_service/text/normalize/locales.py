"""What the rules need to know about a language; separators come from CLDR through Babel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from babel import Locale, UnknownLocaleError
from num2words import CONVERTER_CLASSES

SPOKEN = ("en", "es", "fr", "it", "pt")
"""Languages with rules for every class of token; others get their numbers spelled at most."""

_CLDR = {"pt": "pt_BR", "en": "en_US"}
_OWN_READER = frozenset({"ja", "ko", "zh"})
"""Languages whose grapheme-to-phoneme reads digits itself, with its own counters."""


@dataclass(frozen=True, slots=True)
class Language:
    """One language as the rules see it.

    Attributes:
        code: primary subtag in lower case (`pt`).
        cldr: Babel's locale name (`pt_BR`).
        words: num2words' name for it; empty where num2words does not know it.
        decimal: the decimal separator.
        group: characters that may separate thousands.
        full: whether all rules apply, or only the spelling of numbers.
    """

    code: str
    cldr: str
    words: str
    decimal: str
    group: str
    full: bool


@cache
def language(tag: str) -> Language:
    """The language of a tag such as `pt-BR` or `EN_us`; unknown tags have no number words."""
    code = tag.lower().replace("_", "-").split("-")[0]
    cldr = _CLDR.get(code, code)
    words = cldr if cldr in CONVERTER_CLASSES else code
    if words not in CONVERTER_CLASSES or code in _OWN_READER:
        words = ""
    decimal, group = _separators(cldr)
    return Language(code, cldr, words, decimal, group, code in SPOKEN)


def _separators(cldr: str) -> tuple[str, str]:
    try:
        symbols = Locale.parse(cldr).number_symbols["latn"]
    except (UnknownLocaleError, ValueError, KeyError):
        return ".", ","
    decimal, group = str(symbols["decimal"]), str(symbols["group"])
    # A French text has any of the narrow, the no-break and the plain space; many Spanish and
    # Italian ones follow the ISO and do as well.
    spaces = "" if decimal == "." else "\u202f\u00a0 "
    return decimal, "".join(dict.fromkeys(("." if group.isspace() else group) + spaces))
