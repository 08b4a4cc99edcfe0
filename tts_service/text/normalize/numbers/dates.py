"""Spell out dates: numeric ones in the language's order, and days beside month names."""

from __future__ import annotations

import re
from datetime import date
from functools import cache

from babel.dates import get_month_names

from tts_service.text.normalize.locales import Language
from tts_service.text.normalize.numbers.spelled_out import cardinal, ordinal, year

_ISO = re.compile(r"(?<![\w/-])(\d{4})-(\d{2})-(\d{2})(?![\w/-]|T\d)")
_NUMERIC = re.compile(r"(?<![\w/.-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\w/-]|\.\d)")
_OF = {"es": " de ", "pt": " de "}


def dates(text: str, language: Language) -> str:
    """Spell out `2025-04-03`, `03/04/2025`, `April 3, 2025`, `1 avril`, `3 abr. 2025`."""
    text = _ISO.sub(lambda m: _spoken(m, int(m[1]), int(m[2]), int(m[3]), language), text)
    text = _NUMERIC.sub(lambda m: _numeric(m, language), text)
    if language.code == "en":
        return _english(text, language)
    return _others(text, language)


def _numeric(found: re.Match[str], language: Language) -> str:
    first, mark, second, last = int(found[1]), found[2], int(found[3]), found[4]
    if mark != "/" and len(last) == 2:
        return found.group()  # 10-11-12, 1.2.3: probably not a date
    full = int(last) + (0 if len(last) == 4 else 1900 if int(last) > 68 else 2000)
    month_first = language.code == "en" and mark != "."
    if (month_first and first > 12) or (not month_first and second > 12):
        month_first = not month_first
    month, day = (first, second) if month_first else (second, first)
    return _spoken(found, full, month, day, language)


def _spoken(found: re.Match[str], full: int, month: int, day: int, language: Language) -> str:
    try:
        date(full, month, day)
    except ValueError:
        return found.group()
    name = _months(language.cldr)[month]
    if language.code == "en":
        return f"{name} {ordinal(day, language)}, {year(full, language)}"
    of = _OF.get(language.code, " ")
    return f"{_day(day, language)}{of}{name}{of}{year(full, language)}"


def _day(day: int, language: Language) -> str:
    return ordinal(1, language) if day == 1 else cardinal(day, language)


@cache
def _months(cldr: str) -> dict[int, str]:
    return {number: str(name) for number, name in get_month_names("wide", locale=cldr).items()}


@cache
def _names(cldr: str) -> tuple[str, dict[str, str]]:
    """Return a pattern of month names and abbreviations, and the full name of each."""
    full = _months(cldr)
    known = {name.lower(): name for name in full.values()}
    for number, short in get_month_names("abbreviated", locale=cldr).items():
        known[str(short).lower().rstrip(".")] = full[number]
    if cldr == "en_US":
        known["sept"] = "September"
    names = sorted((name for name in known), key=len, reverse=True)
    return "|".join(re.escape(name) for name in names), known


@cache
def _english_patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    # May and Mar are also words, so names match only with a capital.
    names, _ = _names("en_US")
    capital = f"(?:{'|'.join(name.capitalize() for name in names.split('|'))})"
    return (
        re.compile(
            rf"\b({capital})\.? (\d{{1,2}})(?:st|nd|rd|th)?\b(?![:/%]\d|\.\d)(,? \d{{4}}\b)?"
        ),
        re.compile(
            rf"\b(the )?(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({capital})\b\.?(,? \d{{4}}\b)?"
        ),
        re.compile(rf"\b({capital})\.?( of)?,? (\d{{4}})\b(?!,\d)"),
    )


def _english(text: str, language: Language) -> str:
    month_day, day_month, month_year = _english_patterns()
    _, known = _names("en_US")

    def tail(raw: str | None) -> str:
        return f", {year(int(raw[-4:]), language)}" if raw else ""

    def first(found: re.Match[str]) -> str:
        if not 0 < int(found[2]) < 32:
            return found.group()
        return f"{known[found[1].lower()]} {ordinal(int(found[2]), language)}{tail(found[3])}"

    def second(found: re.Match[str]) -> str:
        if not 0 < int(found[2]) < 32:
            return found.group()
        name = known[found[3].lower()]
        return f"the {ordinal(int(found[2]), language)} of {name}{tail(found[4])}"

    text = month_day.sub(first, text)
    text = day_month.sub(second, text)
    return month_year.sub(
        lambda m: f"{known[m[1].lower()]}{m[2] or ''} {year(int(m[3]), language)}", text
    )


def _others(text: str, language: Language) -> str:
    names, known = _names(language.cldr)
    joint = r"( de )" if language.code in _OF else r"( )"
    pattern = re.compile(
        rf"\b(\d{{1,2}})(?:º|°|er|\.º|ª)?(?:{joint}| )({names})\b(\.(?= \d|,| de \d))?",
        re.IGNORECASE,
    )

    def spoken(found: re.Match[str]) -> str:
        if not 0 < int(found[1]) < 32:
            return found.group()
        of = _OF.get(language.code, " ")
        return f"{_day(int(found[1]), language)}{of}{known[found[3].lower()]}"

    return pattern.sub(spoken, text)
