"""Spell out telephone numbers digit by digit with a pause between groups."""

from __future__ import annotations

import re

from tts_service.text.normalize.locales import Language
from tts_service.text.normalize.numbers.spelled_out import cardinal, digits

_NUMBER = re.compile(
    r"(?<![\w.,/$€£-])(\+\d{1,3}[ .-]?)?(\(\d{1,4}\)[ .-]?)?"
    r"\d{1,5}(?:[ .\u00a0-]\d{2,8}){1,5}(?![\w/%€$£°]|[.,]\d)"
)
_PLAIN = re.compile(r"(?<![\w.,/-])\+?\d{10,15}(?![\w/]|[.,]\d)")
_GROUPS = re.compile(r"\d+")
_PLUS = {"en": "plus", "es": "más", "fr": "plus", "it": "più", "pt": "mais"}


def phones(text: str, language: Language) -> str:
    """Spell out probable telephone numbers: 7-15 digits in groups that quantities do not have."""
    text = _NUMBER.sub(lambda found: _spoken(found, language), text)
    return _PLAIN.sub(
        lambda m: (f"{_PLUS[language.code]} " if m[0][0] == "+" else "") + digits(m[0], language),
        text,
    )


def _spoken(found: re.Match[str], language: Language) -> str:
    groups = _GROUPS.findall(found.group())
    if not _is_phone(found, groups, language):
        return found.group()
    if language.code == "fr" and len(groups) > 3 and all(len(each) == 2 for each in groups[-4:]):
        spoken = [_pair(group, language) for group in groups]
    else:
        spoken = [digits(group, language) for group in groups]
    plus = f"{_PLUS[language.code]} " if found[1] else ""
    return plus + ", ".join(spoken)


def _pair(group: str, language: Language) -> str:
    if group[0] == "0" or len(group) > 2:
        return digits(group, language)
    return cardinal(int(group), language)


def _is_phone(found: re.Match[str], groups: list[str], language: Language) -> bool:
    count = sum(map(len, groups))
    if not 7 <= count <= 15:
        return False
    if found[1] or found[2] or groups[0][0] == "0":
        return True
    number = found.group()
    if len(groups) == 2 and all(len(g) == 4 and g[:2] in ("17", "18", "19", "20") for g in groups):
        return False  # 1939-1945
    thousands = len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])
    if "-" in number:
        return len(groups[-1]) in (3, 4) and (len(groups) > 2 or len(groups[0]) in (3, 4, 5))
    if thousands:
        # Nine digits in threes are a Spanish or Portuguese telephone number, unless separated by
        # points.
        iberian = language.code in ("es", "pt") and count == 9 and groups[0][0] in "6789"
        return iberian and "." not in number
    return "." not in number or len(groups) > 3
