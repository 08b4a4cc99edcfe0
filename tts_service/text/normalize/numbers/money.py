"""Spell out amounts of money with the spoken names of currencies."""

from __future__ import annotations

import re
from functools import cache

from babel.numbers import get_currency_name

from tts_service.text.normalize.locales import Language
from tts_service.text.normalize.numbers.plain import pattern, split
from tts_service.text.normalize.numbers.spelled_out import cardinal, decimal, is_long, written

_SIGNS = {"R$": "BRL", "US$": "USD", "$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR"}
_CODES = "USD|EUR|GBP|BRL|JPY|INR|CHF|MXN|ARS|COP|CLP|PEN|UYU|CNY|CAD|AUD"
_NAMES: dict[str, dict[str, str]] = {
    # Singular, plural, gender, cent singular, cent plural. CLDR's names are longer than the spoken
    # ones ("12 dólares estadounidenses"), and it has no names for cents.
    "en": {
        "USD": "dollar dollars m cent cents",
        "EUR": "euro euros m cent cents",
        "GBP": "pound pounds m penny pence",
        "BRL": "real reais m centavo centavos",
        "JPY": "yen yen m sen sen",
        "INR": "rupee rupees m paisa paise",
        "CHF": "franc francs m centime centimes",
        "MXN": "peso pesos m centavo centavos",
    },
    "es": {
        "USD": "dólar dólares m centavo centavos",
        "EUR": "euro euros m céntimo céntimos",
        "GBP": "libra libras f penique peniques",
        "BRL": "real reales m centavo centavos",
        "JPY": "yen yenes m sen sen",
        "INR": "rupia rupias f paisa paisas",
        "CHF": "franco francos m céntimo céntimos",
        "MXN": "peso pesos m centavo centavos",
    },
    "fr": {
        "USD": "dollar dollars m cent cents",
        "EUR": "euro euros m centime centimes",
        "GBP": "livre livres f penny pence",
        "BRL": "réal réaux m centavo centavos",
        "JPY": "yen yens m sen sen",
        "INR": "roupie roupies f paisa paisas",
        "CHF": "franc francs m centime centimes",
        "MXN": "peso pesos m centavo centavos",
    },
    "it": {
        "USD": "dollaro dollari m centesimo centesimi",
        "EUR": "euro euro m centesimo centesimi",
        "GBP": "sterlina sterline f penny pence",
        "BRL": "real real m centavo centavos",
        "JPY": "yen yen m sen sen",
        "INR": "rupia rupie f paisa paise",
        "CHF": "franco franchi m centesimo centesimi",
        "MXN": "peso pesos m centavo centavos",
    },
    "pt": {
        "USD": "dólar dólares m centavo centavos",
        "EUR": "euro euros m centavo centavos",
        "GBP": "libra libras f centavo centavos",
        "BRL": "real reais m centavo centavos",
        "JPY": "iene ienes m sen sen",
        "INR": "rupia rupias f paisa paisas",
        "CHF": "franco francos m centavo centavos",
        "MXN": "peso pesos m centavo centavos",
    },
}
_PESOS = frozenset({"ARS", "COP", "CLP", "UYU"})
_AND = {"en": " and ", "es": " con ", "fr": " et ", "it": " e ", "pt": " e "}
_SCALES = {
    "en": "thousand|million|billion|trillion",
    "es": "mil|millón|millones|mil millones|billón|billones",
    "fr": "mille|million|millions|milliard|milliards|billions",
    "it": "mila|mille|milione|milioni|miliardo|miliardi",
    "pt": "mil|milhão|milhões|bilhão|bilhões|trilhão|trilhões",
}
_SHORT_SCALES = {
    "k": {"en": "thousand", "es": "mil", "fr": "mille", "it": "mila", "pt": "mil"},
    "M": {"en": "million", "es": "millones", "fr": "millions", "it": "milioni", "pt": "milhões"},
}


@cache
def _patterns(language: Language) -> tuple[re.Pattern[str], re.Pattern[str]]:
    number = pattern(language)
    signs = "|".join(re.escape(sign) for sign in _SIGNS)
    scale = rf"(?:[ \u00a0]?(?:{_SCALES[language.code]})\b|[ \u00a0]?[kKM](?!\w))"
    return (
        re.compile(
            rf"(?<![\w$])(-?)({signs}|(?:{_CODES})\b)[ \u00a0]?({number})({scale})?(?!\d|[.,]\d)"
        ),
        re.compile(
            rf"(?<![\w.,])()({number})({scale})?[ \u00a0]?({signs}|(?:{_CODES})\b)(?![\w$])"
        ),
    )


def money(text: str, language: Language) -> str:
    """Spell out `$12.50`, `3,99 €`, `R$ 1.234,56`, `£3 million`, `20 USD`."""
    before, after = _patterns(language)
    text = before.sub(lambda m: m[1] + _spoken(m[2], m[3], m[4], language), text)
    return after.sub(lambda m: _spoken(m[4], m[2], m[3], language), text)


def _spoken(sign: str, amount: str, scale: str | None, language: Language) -> str:
    one, many, kind, cent, cents = _names(_SIGNS.get(sign, sign), language)
    whole, mark, fraction = split(amount, language)
    if scale:
        word = scale.strip()
        word = _SHORT_SCALES.get(word if word == "M" else word.lower(), {}).get(language.code, word)
        spoken = (
            decimal(whole, mark, fraction, language)
            if mark
            else written(whole, language, noun=True)
        )
        thousands = word in ("thousand", "mil", "mille", "mila")
        if thousands and whole.lstrip("0") == "1" and not mark and language.code != "en":
            return f"{'mille' if word == 'mila' else word} {many}"
        joined = "" if word == "mila" else " "
        return f"{spoken}{joined}{word}{' ' if thousands else _of(many, language)}{many}"
    if mark and len(fraction) > 2:
        return f"{decimal(whole, mark, fraction, language, kind)} {many}"
    if is_long(whole):
        return f"{written(whole, language)} {many}"
    value = int(whole)
    small = int(fraction.ljust(2, "0")) if mark else 0
    parts: list[str] = []
    if value or not small:
        of = _of(many, language) if _round_million(value) else " "
        name = one if value == 1 or (language.code == "fr" and value == 0) else many
        parts.append(f"{cardinal(value, language, kind, noun=True)}{of}{name}")
    if small:
        parts.append(f"{cardinal(small, language, noun=True)} {cent if small == 1 else cents}")
    return _AND[language.code].join(parts)


def _of(noun: str, language: Language) -> str:
    """Return the words between a million and its noun; French elides them before a vowel."""
    if language.code == "fr" and noun[0] in "aeiou":
        return " d'"
    return {"en": " ", "it": " di "}.get(language.code, " de ")


def _round_million(value: int) -> bool:
    return value >= 1_000_000 and value % 1_000_000 == 0


def _names(code: str, language: Language) -> tuple[str, str, str, str, str]:
    table = _NAMES[language.code]
    if code in _PESOS:
        code = "MXN"
    if code not in table:
        one = get_currency_name(code, count=1, locale=language.cldr).lower()
        many = get_currency_name(code, count=2, locale=language.cldr).lower()
        cent, cents = table["USD"].split()[3:]
        return one, many, "m", cent, cents
    one, many, kind, cent, cents = table[code].split()
    return one, many, kind, cent, cents
