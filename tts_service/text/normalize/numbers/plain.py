"""Number formats of the languages, and spelling out of the numbers that no other rule matched."""

from __future__ import annotations

import re
from functools import cache

from tts_service.text.normalize.locales import Language
from tts_service.text.normalize.numbers.gender import gender
from tts_service.text.normalize.numbers.spelled_out import (
    cardinal,
    decimal,
    digits,
    minus,
    point,
    year,
)
from tts_service.text.word_set import word_set

_NOUN = re.compile(r"[ \u00a0]([^\W\d_]+)(?:[ \u00a0]([^\W\d_]+))?")
_SMALL_WORDS = word_set(
    "y e o u de del a al en con por para que es son está están si no ni se lo la el los las "
    "le un una da do das dos no na nos nas em um uma ou ao à às aos com sem são é foi era "
    "até mais mas menos et ou à au aux du des le les en par pour sur dans est sont ne pas "
    "que qui plus moins fois ed od di dal dalla nel nella il i gli e sono per tra fra ma "
    "più meno volte más menos pero como sobre entre desde hasta"
) - {"fois", "volte", "un", "una", "um", "uma"}
_YEAR_BEFORE = re.compile(
    r"\b(?:in|since|of|by|from|until|till|before|after|during|circa|around|early|late|mid|year"
    r"|spring|summer|autumn|fall|winter|the|and|to|for|class|january|february|march|april|may|june"
    r"|july|august|september|october|november|december)[ (]*$",
    re.IGNORECASE,
)
_WORD_AFTER = re.compile(r" ([a-z]+)")
_NOT_COUNTED = word_set(
    "and or but was were is are has had will would the a an in on at to by for from with as "
    "when after before until that which who it he she they we i its his her their this "
    "there then than of because while if so not also"
)


_MOST_GROUPS = 8
_LONGEST_CONTEXT = 40


@cache
def pattern(language: Language) -> str:
    """Return a regular expression (without groups) for numbers as written in the language."""
    group, mark = re.escape(language.group), re.escape(language.decimal)
    # A space may separate thousands, so a number could begin at each group of a long row; the
    # bounded repetition keeps the search for its end short.
    grouped = rf"\d{{1,3}}(?:[{group}]\d{{3}}){{1,{_MOST_GROUPS}}}(?!\d)(?:{mark}\d++)?"
    other = "" if language.decimal == "." else r"|\d++\.\d++"
    return rf"(?:{grouped}|\d++{mark}\d++{other}|\d++)"


@cache
def _reader(language: Language) -> re.Pattern[str]:
    return re.compile(
        rf"(?<![\w.,])(?<!\w-)([-−]?)({pattern(language)})(?![.,]?\d)"
        rf"|(?<!\d)()(\d+(?:\.\d+)+)(?!\d)|()(\d+)"
    )


_DECADE = re.compile(r"(?<![\w.,])['’]?(\d{2}|\d{4})['’]?s\b")
_SHORT_YEAR = re.compile(r"(?<!\w)['’](?=\d\d(?!\d))")
_FEET = re.compile(r"(?<!\d)(\d)['’](\d{1,2})(?:[\"”]|''|(?!\w))")
_UNO = re.compile(r"(?:s[^aeiou]|z|gn|ps|x|y|pn)", re.IGNORECASE)


def numbers(text: str, language: Language) -> str:
    """Spell out all remaining numbers, in agreement with the following noun where there is one."""
    if language.code == "en":
        text = _FEET.sub(r"\1 foot \2", text)
        text = _DECADE.sub(lambda found: _decade(found, language), text)
    text = _SHORT_YEAR.sub("", text)
    spoken = _reader(language).sub(lambda found: _spaced(found, language), text)
    return spoken.replace("\0 ", "")


def _spaced(found: re.Match[str], language: Language) -> str:
    """Spell out a number and separate it from adjacent letters (MP3, 4K)."""
    spoken = _spoken(found, language)
    text = found.string
    start, end = found.span()
    before, after = text[max(start - 1, 0) : start], text[end : end + 1]
    return (" " if before.isalnum() else "") + spoken + (" " if after.isalnum() else "")


def _spoken(found: re.Match[str], language: Language) -> str:
    if found[4]:
        return f" {point('.', language)} ".join(
            _part(part, language) for part in found[4].split(".")
        )
    if found[6]:
        return _part(found[6], language)
    sign = f"{minus(language)} " if found[1] else ""
    whole, mark, fraction = split(found[2], language)
    noun = _noun_after(found.string, found.end(), language)
    counted = gender(noun, language.code) if noun else None
    if mark:
        return sign + decimal(whole, mark, fraction, language, counted or "m")
    if (len(whole) > 1 and whole[0] == "0") or len(whole) > 15:
        return sign + digits(whole, language)
    value = int(whole)
    if language.code == "en" and found[2] == whole and _is_year(found, value):
        return sign + year(value, language)
    if language.code == "it" and value == 1 and noun:
        return sign + _italian_one(noun, counted)
    return sign + cardinal(value, language, counted or "m", noun=bool(noun))


def _italian_one(noun: str, kind: str | None) -> str:
    r"""Return the article for one before a noun: un, uno, una or un' (\0: no space follows)."""
    if kind == "f":
        return "un'\0" if noun[0].lower() in "aeiouàèéìòù" else "una"
    return "uno" if _UNO.match(noun) else "un"


def split(written: str, language: Language) -> tuple[str, str, str]:
    """Split a written number into whole digits, decimal mark (empty: none) and fraction."""
    if re.fullmatch(rf"\d{{1,3}}(?:[{re.escape(language.group)}]\d{{3}})+", written):
        return re.sub(r"\D", "", written), "", ""
    head, mark, fraction = written.rpartition(language.decimal)
    if not mark:
        head, mark, fraction = written.rpartition(".")
    if not mark:
        return written, "", ""
    return re.sub(r"\D", "", head), mark, fraction


def _part(part: str, language: Language) -> str:
    if (len(part) > 1 and part[0] == "0") or len(part) > 4:
        return digits(part, language)
    return cardinal(int(part), language)


def _noun_after(text: str, end: int, language: Language) -> str:
    """Return the noun that the number counts; "" before a function word, a mark or the end."""
    found = _NOUN.match(text, end)
    if found is None or found[1].lower() in _SMALL_WORDS:
        return ""
    if found[1] == "mil" and found[2]:
        return found[2]  # duas mil pessoas
    # An adjective in between (2 grandes casas) does not show the gender; the next word may.
    adjective = gender(found[1], language.code) is None and found[1][-1] in "es"
    second = found[2] or ""
    known = second.lower() not in _SMALL_WORDS and gender(second, language.code)
    return second if adjective and known else found[1]


def _is_year(found: re.Match[str], value: int) -> bool:
    """Check whether a four-digit English number is a year: after in, since, May …, or uncounted."""
    if not 1100 <= value <= 2099:
        return False
    text, start = found.string, found.start()
    following = _WORD_AFTER.match(text, found.end())
    counted = following is not None and following[1] not in _NOT_COUNTED
    if counted or value >= 1500:
        return not counted
    return bool(_YEAR_BEFORE.search(text, max(start - _LONGEST_CONTEXT, 0), start))


def _decade(found: re.Match[str], language: Language) -> str:
    value = int(found[1])
    if value % 10 or (len(found[1]) == 2 and value < 20):
        return found.group()
    spoken = year(value, language) if value > 99 else cardinal(value, language)
    return spoken[:-1] + "ies" if spoken.endswith("y") else spoken + "s"
