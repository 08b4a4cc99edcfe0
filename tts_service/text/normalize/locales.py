"""Language data for the normalisation rules; separators come from CLDR through Babel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from babel import Locale, UnknownLocaleError
from num2words import CONVERTER_CLASSES

SPOKEN = ("en", "es", "fr", "it", "pt")
"""Languages with rules for all classes of token; for others at most numbers are spelled out."""

_CLDR = {"pt": "pt_BR", "en": "en_US"}
_OWN_READER = frozenset({"ja", "ko", "zh"})
"""Languages whose grapheme-to-phoneme reads digits itself, with its own counters."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language's data for the normalisation rules.

    Attributes:
        code: primary subtag in lower case (`pt`).
        cldr: Babel's locale name (`pt_BR`).
        words: num2words' name of the language; empty where it is not supported.
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
    """Return the data for a tag such as `pt-BR` or `EN_us`; unknown tags have no number words."""
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
    # French texts use the narrow, the no-break or the plain space; many Spanish and Italian texts
    # do so too, following ISO.
    spaces = "" if decimal == "." else "\u202f\u00a0 "
    return decimal, "".join(dict.fromkeys(("." if group.isspace() else group) + spaces))
