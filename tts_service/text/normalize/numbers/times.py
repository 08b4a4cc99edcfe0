"""Spell out times of day."""

from __future__ import annotations

import re

from tts_service.text.normalize.locales import Language
from tts_service.text.normalize.numbers.spelled_out import cardinal

_CLOCK = re.compile(
    r"(?<![\w:.,/])([01]?\d|2[0-4])(?::([0-5]\d)(?::([0-5]\d))?|[hH]([0-5]\d))(?:\s?(?:h|hs|hrs)\b\.?)?"
    r"(?:\s?([aApP])\.?\s?[mM]\b(\.?))?(?![\w:]|\.\d)"
)
_HALF_DAY = re.compile(r"(?<![\w:.,/])(1[0-2]|0?[1-9])\s?([aApP])\.?\s?[mM]\b(\.?)")
_HOURS = re.compile(r"(?<![\w:.,/])([01]?\d|2[0-4])\s?[hH]\b(?!\w|/)")
_DOTTED = {
    # With a point between hours and minutes, only the adjacent words tell a time from a decimal.
    "en": re.compile(r"(\b[Aa]t )(1?\d)\.([0-5]\d)(?= (?:in the|on|[aApP]\.?[mM]|tonight|today))"),
    "es": re.compile(r"(\b(?:a|desde|hasta|sobre) las? )([01]?\d|2[0-3])\.([0-5]\d)(?!\w|[.,]\d)"),
    "it": re.compile(r"(\b(?:alle|dalle|ore|le) )([01]?\d|2[0-3])\.([0-5]\d)(?!\w|[.,]\d)", re.I),
}
_PARTS = {
    "es": ("de la mañana", "de la tarde", "de la noche"),
    "fr": ("du matin", "de l'après-midi", "du soir"),
    "it": ("di mattina", "del pomeriggio", "di sera"),
    "pt": ("da manhã", "da tarde", "da noite"),
}
_SENTENCE_END = re.compile(r"\s*+\Z|\s+[A-ZÀ-Ý¿¡]")
_AND = {"es": " y ", "pt": " e ", "it": " e "}
_SECONDS = {
    "en": "seconds", "es": "segundos", "fr": "secondes", "it": "secondi", "pt": "segundos",
}  # fmt: skip


def times(text: str, language: Language) -> str:
    """Spell out `10:30`, `14h30`, `3 p.m.`, `21h`."""
    if language.code in _DOTTED:
        text = _DOTTED[language.code].sub(r"\1\2:\3", text)
    text = _CLOCK.sub(lambda found: _clock(found, language), text)
    text = _HALF_DAY.sub(
        lambda m: _hour(int(m[1]), language, bare=True) + _half(int(m[1]), m[2], m, 3, language),
        text,
    )
    if language.code in ("fr", "pt", "es", "it"):
        text = _HOURS.sub(lambda m: _whole_hours(int(m[1]), language), text)
    return text


def _clock(found: re.Match[str], language: Language) -> str:
    hour, minute = int(found[1]), int(found[2] or found[4])
    half = found[5]
    spoken = _hour(hour, language, bare=half is not None or minute > 0 or language.code == "en")
    if minute:
        spoken += _minutes(minute, language)
    elif language.code == "en" and not half:
        spoken += " o'clock"
    if found[3]:
        seconds = cardinal(int(found[3]), language)
        spoken += f"{_AND.get(language.code, ' and ')}{seconds} {_SECONDS[language.code]}"
    return spoken + (_half(hour, half, found, 6, language) if half else "")


def _hour(hour: int, language: Language, *, bare: bool) -> str:
    spoken = cardinal(hour, language, "f")
    if language.code == "fr":
        return f"{spoken} {'heure' if hour < 2 else 'heures'}"
    if language.code == "pt" and not bare:
        return f"{spoken} {'hora' if hour < 2 else 'horas'}"
    return spoken


def _whole_hours(hour: int, language: Language) -> str:
    names = {"es": ("hora", "horas"), "fr": ("heure", "heures"), "it": ("ora", "ore"),
             "pt": ("hora", "horas")}[language.code]  # fmt: skip
    return f"{cardinal(hour, language, 'f')} {names[0 if hour < 2 else 1]}"


def _minutes(minute: int, language: Language) -> str:
    if language.code == "en":
        return (
            f" oh {cardinal(minute, language)}" if minute < 10 else f" {cardinal(minute, language)}"
        )
    gender = "f" if language.code == "fr" else "m"
    return _AND.get(language.code, " ") + cardinal(minute, language, gender)


def _half(hour: int, half: str, found: re.Match[str], dot: int, language: Language) -> str:
    # The dot of "p.m." also ends the sentence when a capital or nothing follows it.
    end = "." if found[dot] and _SENTENCE_END.match(found.string, found.end()) else ""
    if language.code == "en":
        return f" {half.upper()} M{end}"
    morning, afternoon, evening = _PARTS[language.code]
    if half in "aA":
        return f" {morning}{end}"
    return f" {afternoon if hour == 12 or hour < 8 else evening}{end}"
