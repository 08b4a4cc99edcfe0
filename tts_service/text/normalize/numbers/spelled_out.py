"""Numbers as words: num2words with corrections and grammatical agreement."""

from __future__ import annotations

import re
from functools import lru_cache

from num2words import num2words

from tts_service.text.normalize.locales import Language

_LONGEST = 15
"""A number with more digits is read digit by digit, since its name is too long to follow."""

_ES_HUNDREDS = re.compile(r"(\w*cient|quinient)os\b")
_PT_HUNDREDS = re.compile(
    r"\b(duz|trez|quatroc|quinh|seisc|setec|oitoc|novec)entos\b|\bquinhentos\b"
)
_MILLIONS = re.compile(r".*\b(?:mi|bi|tri)\w*l(?:ón|ones|hão|hões)\b")
_ES_ORDINALS = {11: "undécimo", 12: "duodécimo"}


@lru_cache(maxsize=4096)
def cardinal(value: int, language: Language, gender: str = "m", *, noun: bool = False) -> str:
    """Return `value` in words.

    Args:
        value: any integer.
        language: a language that num2words supports.
        gender: `m` or `f`, the gender of the counted noun.
        noun: whether that noun follows (Spanish `un libro`, `veintiún libros`, but `uno`).
    """
    if abs(value) >= 10**_LONGEST:
        return digits(str(abs(value)), language)
    spoken = str(num2words(abs(value), lang=language.words)).replace(",", "")
    if language.code == "es":
        spoken = spoken.replace("veintiuno mil", "veintiún mil").replace(" uno mil", " un mil")
        if gender == "m" and noun:
            spoken = re.sub(r"veintiuno$", "veintiún", spoken)
            spoken = re.sub(r"\buno$", "un", spoken)
    if gender == "f":
        spoken = _feminine(spoken, language.code)
    elif language.code == "it" and noun and value == 1:
        spoken = "un"
    return f"{minus(language)} {spoken}" if value < 0 else spoken


def is_long(number: str) -> bool:
    """Check whether a number in digits is too large for a name, without converting it."""
    return len(number.lstrip("0")) > _LONGEST


def written(number: str, language: Language, gender: str = "m", *, noun: bool = False) -> str:
    """Return a number in digits, of any length, in words; the arguments are those of `cardinal`."""
    if is_long(number):  # int() would take quadratic time, and refuses more than 4,300 digits
        return digits(number.lstrip("0"), language)
    return cardinal(int(number), language, gender, noun=noun)


def _feminine(spoken: str, code: str) -> str:
    # The number of millions agrees with "million", which is masculine in all these languages.
    head = millions.group() if (millions := _MILLIONS.match(spoken)) else ""
    tail = spoken[len(head) :]
    if code == "es":
        tail = _ES_HUNDREDS.sub(r"\1as", tail)
        tail = re.sub(r"veinti(?:uno|ún)\b", "veintiuna", tail)
        tail = re.sub(r"\b(?:uno|un)\b", "una", tail)
    elif code == "pt":
        tail = _PT_HUNDREDS.sub(lambda found: found.group()[:-2] + "as", tail)
        tail = re.sub(r"\bum\b", "uma", re.sub(r"\bdois\b", "duas", tail))
    elif code == "fr":
        tail = re.sub(r"\bun$", "une", tail)
    elif code == "it" and tail == "uno":
        tail = "una"
    return head + tail


@lru_cache(maxsize=2048)
def ordinal(value: int, language: Language, gender: str = "m", *, noun: bool = False) -> str:
    """Return `value` as an ordinal in words.

    `noun` shortens Spanish `primero`, `tercero` before a masculine noun.
    """
    if not 0 < value < 10_000:
        return cardinal(value, language, gender)
    spoken = str(num2words(value, lang=language.words, to="ordinal")).replace(",", "")
    if language.code == "es":
        spoken = _ES_ORDINALS.get(
            value, spoken.replace("décimo ", "decimo", 1) if 12 < value < 20 else spoken
        )
        if gender == "f":
            spoken = re.sub(r"o\b", "a", spoken)
        elif noun:
            spoken = re.sub(r"(prim|terc)ero$", r"\1er", spoken)
    elif language.code == "fr":
        spoken = spoken.replace("vingtsième", "vingtième").replace("centsième", "centième")
        if gender == "f":
            spoken = re.sub(r"premier$", "première", spoken)
    elif gender == "f" and language.code in ("pt", "it"):
        spoken = re.sub(r"o\b", "a", spoken)
    return spoken


def digits(text: str, language: Language) -> str:
    """Return the digits in `text` as separate words."""
    return " ".join(cardinal(int(each), language) for each in text if each in "0123456789")


_MINUS = {"es": "menos", "fr": "moins", "it": "meno", "pt": "menos", "de": "minus"}
_POINT = {
    "en": {",": "comma", ".": "point"},
    "es": {",": "coma", ".": "punto"},
    "fr": {",": "virgule", ".": "point"},
    "it": {",": "virgola", ".": "punto"},
    "pt": {",": "vírgula", ".": "ponto"},
    "de": {",": "Komma", ".": "Punkt"},
}


def minus(language: Language) -> str:
    """Return the word for a negative sign."""
    return _MINUS.get(language.code, "minus")


def point(mark: str, language: Language) -> str:
    """Return the name of a decimal `mark`."""
    return _POINT.get(language.code, _POINT["en"])[mark]


def decimal(whole: str, mark: str, fraction: str, language: Language, gender: str = "m") -> str:
    """Return a decimal number in words.

    In English, and beyond three digits, the digits after the mark are read one by one. In other
    languages they are read as one number, with leading zeros read separately.
    """
    if language.code == "en" or len(fraction) > 3:
        after = digits(fraction, language)
    else:
        zeros = len(fraction) - len(fraction.lstrip("0"))
        rest = fraction.lstrip("0")
        after = " ".join(
            [cardinal(0, language)] * zeros + ([cardinal(int(rest), language)] if rest else [])
        )
    return f"{written(whole or '0', language, gender)} {point(mark, language)} {after}"


@lru_cache(maxsize=1024)
def year(value: int, language: Language) -> str:
    """Return a year in words: in English 1984 is read in pairs, elsewhere as a plain number."""
    if language.code != "en" or not 1000 < value < 10_000:
        return cardinal(value, language)
    return str(num2words(value, lang="en", to="year")).replace(",", "")
