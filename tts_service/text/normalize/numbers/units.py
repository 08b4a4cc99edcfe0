"""Spell out percentages and units of measurement, with names from CLDR through Babel."""

from __future__ import annotations

import re
from functools import cache

from babel import Locale
from babel.units import format_unit

from tts_service.text.normalize.locales import Language
from tts_service.text.normalize.numbers.gender import gender
from tts_service.text.normalize.numbers.plain import pattern, split
from tts_service.text.normalize.numbers.spelled_out import cardinal, decimal, digits, minus

_UNITS = {
    "km": "length-kilometer", "m": "length-meter", "cm": "length-centimeter",
    "mm": "length-millimeter", "mi": "length-mile", "ft": "length-foot", "kg": "mass-kilogram",
    "g": "mass-gram", "mg": "mass-milligram", "t": "mass-tonne", "lb": "mass-pound",
    "lbs": "mass-pound", "oz": "mass-ounce", "l": "volume-liter", "L": "volume-liter",
    "ml": "volume-milliliter", "mL": "volume-milliliter", "cl": "volume-centiliter",
    "°C": "temperature-celsius", "ºC": "temperature-celsius", "°F": "temperature-fahrenheit",
    "ºF": "temperature-fahrenheit", "°": "angle-degree",
    "km/h": "speed-kilometer-per-hour", "kmh": "speed-kilometer-per-hour",
    "kph": "speed-kilometer-per-hour", "mph": "speed-mile-per-hour",
    "m/s": "speed-meter-per-second",
    "kB": "digital-kilobyte", "KB": "digital-kilobyte", "MB": "digital-megabyte",
    "GB": "digital-gigabyte", "TB": "digital-terabyte", "ko": "digital-kilobyte",
    "Ko": "digital-kilobyte", "Mo": "digital-megabyte", "Go": "digital-gigabyte",
    "To": "digital-terabyte", "Hz": "frequency-hertz", "kHz": "frequency-kilohertz",
    "MHz": "frequency-megahertz", "GHz": "frequency-gigahertz", "W": "power-watt",
    "kW": "power-kilowatt", "MW": "power-megawatt", "kWh": "energy-kilowatt-hour",
    "V": "electric-volt", "mA": "electric-milliampere", "hPa": "pressure-hectopascal",
    "kPa": "pressure-kilopascal", "kcal": "energy-kilocalorie", "cal": "energy-calorie",
    "kJ": "energy-kilojoule", "s": "duration-second", "ms": "duration-millisecond",
    "min": "duration-minute", "mins": "duration-minute", "h": "duration-hour",
    "hrs": "duration-hour", "ha": "area-hectare", "m²": "area-square-meter",
    "m2": "area-square-meter", "km²": "area-square-kilometer", "km2": "area-square-kilometer",
    "cm²": "area-square-centimeter", "m³": "volume-cubic-meter", "m3": "volume-cubic-meter",
    "cm³": "volume-cubic-centimeter", "ppm": "concentr-permillion",
}  # fmt: skip
_FRENCH_BYTES = frozenset({"ko", "Ko", "Mo", "Go", "To"})
_PERCENT = {"en": "percent", "es": "por ciento", "fr": "pour cent", "it": "per cento",
            "pt": "por cento"}  # fmt: skip
_PER_MILLE = {"en": "per thousand", "es": "por mil", "fr": "pour mille", "it": "per mille",
              "pt": "por mil"}  # fmt: skip


@cache
def _patterns(language: Language) -> tuple[re.Pattern[str], re.Pattern[str]]:
    number = pattern(language)
    known = [unit for unit in _UNITS if language.code == "fr" or unit not in _FRENCH_BYTES]
    names = "|".join(re.escape(unit) for unit in sorted(known, key=len, reverse=True))
    sign = r"(?<![\w.,])(?<!\w-)([-−]?)"
    return (
        re.compile(rf"{sign}({number})[ \u00a0]?([%‰])"),
        re.compile(rf"{sign}({number})[ \u00a0]?({names})(?![\w²³/'’]|\.\w)"),
    )


def units(text: str, language: Language) -> str:
    """Spell out `45 %`, `120 km`, `-5 °C`, `90 km/h`, `3.5 MB`, `20 m²`."""
    percent, unit = _patterns(language)
    text = percent.sub(lambda m: _percent(m, language), text)
    return unit.sub(lambda m: _measure(m, language), text)


def _percent(found: re.Match[str], language: Language) -> str:
    name = (_PERCENT if found[3] == "%" else _PER_MILLE)[language.code]
    return f"{_amount(found, language, 'm')} {name}"


def _measure(found: re.Match[str], language: Language) -> str:
    unit, written = found[3], found[2]
    whole, mark, fraction = split(written, language)
    if unit == "s" and found[0][-2].isdigit():
        return found.group()  # 1990s
    value = float(f"{whole[:15]}.{fraction[:6] or 0}")
    plural = Locale.parse(language.cldr).plural_form(value if mark else int(whole[:15]))
    name = _name(_UNITS[unit], plural, language.cldr)
    kind = gender(name.split(" ")[0], language.code) or "m"
    return f"{_amount(found, language, kind)} {name}"


def _amount(found: re.Match[str], language: Language, kind: str) -> str:
    whole, mark, fraction = split(found[2], language)
    sign = f"{minus(language)} " if found[1] else ""
    if mark:
        return sign + decimal(whole, mark, fraction, language, kind)
    if len(whole) > 15:
        return sign + digits(whole, language)
    return sign + cardinal(int(whole), language, kind, noun=found[3] not in "%‰")


@cache
def _name(unit: str, plural: str, cldr: str) -> str:
    """Return CLDR's long name of a unit in the given plural form, without the number."""
    spoken = format_unit(1 if plural == "one" else 5, unit, "long", locale=cldr)
    return re.sub(r"\d+[ \u00a0]?", "", spoken).replace("’", "'").strip()
