"""Spell out Roman numerals where the adjacent word shows that they are numerals."""

from __future__ import annotations

import re
from itertools import pairwise

from tts_service.text.normalize.locales import Language
from tts_service.text.normalize.numbers.spelled_out import cardinal, ordinal

_UNITS = r"(?:IX|IV|V?I{1,3}|V)"
_NUMERAL = rf"(?:(?:XC|XL|LX{{0,3}}|X{{1,3}}){_UNITS}?|{_UNITS})"
_UP_TO_39 = rf"(?:X{{1,3}}{_UNITS}?|{_UNITS})"
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
_CENTURY = {
    "en": None,
    "es": re.compile(
        rf"\b(siglos?|s\.) ({_NUMERAL})\b(?:( [aey] | y el |[-–])({_NUMERAL})\b)?", re.I
    ),
    "fr": re.compile(
        rf"\b(?:({_UP_TO_39})(?:e|ème|ᵉ)|(I)er)(?=(?: et| au|\W)* ?(?:[IVX]+e )?siècle)"
    ),
    "it": re.compile(rf"\b(?:(secolo) ({_NUMERAL})|({_NUMERAL})(?= secolo| sec\.))\b"),
    "pt": re.compile(
        rf"\b(séculos?|séc\.) ({_NUMERAL})\b(?:( [ae] | e o |[-–])({_NUMERAL})\b)?", re.I
    ),
}
_PARTS = {
    "en": "chapter|part|volume|book|act|scene|section|article|war|phase|type|level|stage|class"
    "|title|bowl|mark|rocky|apollo|schedule",
    "es": "capítulo|parte|volumen|tomo|libro|acto|escena|artículo|título|fase|tipo|guerra mundial"
    "|anexo|apolo",
    "fr": "chapitre|partie|volume|tome|livre|acte|scène|article|titre|phase|type|annexe|apollo",
    "it": "capitolo|parte|volume|tomo|libro|atto|scena|articolo|titolo|fase|tipo|allegato|apollo",
    "pt": "capítulo|parte|volume|tomo|livro|ato|cena|artigo|título|fase|tipo|guerra mundial"
    "|anexo|apolo",
}
_ENGLISH_RULERS = (
    "Henry|Louis|George|Elizabeth|Charles|Edward|William|Richard|James|Paul|Pius|Benedict|Leo"
    "|Francis"
    "|Frederick|Peter|Gregory|Napoleon|Philip|Catherine|Nicholas|Alexander|Alfonso|Ferdinand|Joseph"
    "|Leopold|Ramses|Ramesses|Clement|Innocent|Urban|Ivan|Mary|Otto|Wilhelm|Umberto|Pedro|Felipe"
    "|Carlos"
)
_QUEENS = frozenset({"Isabel", "Elizabeth", "Beatriz", "Leonor", "Inés", "Beatrice"})
_KINGS_IN_A = frozenset({"Luca", "Enea", "Elia", "Andrea", "Bonaventura", "Wamba"})
_TENTH = frozenset({"Pio", "Pío", "Alfonso", "León", "Charles", "Leone", "Leão"})
_WORD_NEXT = re.compile(r" [a-z]")
_LONG_WORD_NEXT = re.compile(r" [a-zà-ÿ]{3}")
_FIRST = re.compile(r"\b([A-ZÀ-Ý][a-zà-ÿ]+) I(er|re|ère)\b")
_NAME = r"[A-ZÀ-Ý][a-zà-ÿ]+"


def roman(text: str, language: Language) -> str:
    """Spell out centuries, parts of books and the numbers of monarchs and popes."""
    century = _CENTURY[language.code]
    if century is not None:
        text = century.sub(lambda found: _century(found, language), text)
    if language.code == "fr":
        text = _FIRST.sub(lambda m: f"{m[1]} {'premier' if m[2] == 'er' else 'première'}", text)
    parts = re.compile(rf"\b((?i:{_PARTS[language.code]})) ({_NUMERAL})\b(?![.'’]\w)")
    text = parts.sub(lambda m: _part(m, language), text)
    # A single I, V or X after a name may be a pronoun or an initial, except after a ruler's name.
    names = (
        rf"\b({_ENGLISH_RULERS}) ({_NUMERAL})\b"
        if language.code == "en"
        else (rf"\b({_NAME}) ({_NUMERAL})\b")
    )
    return re.sub(rf"{names}(?![.'’-]?\w)", lambda m: _ruler(m, language), text)


def value_of(numeral: str) -> int:
    """Return the value of a well-formed numeral below 100; 0 without any numeral letter."""
    total = 0
    for here, following in pairwise(f"{numeral.upper()} "):
        value = _VALUES.get(here, 0)
        total += -value if value < _VALUES.get(following, 0) else value
    return total


def _century(found: re.Match[str], language: Language) -> str:
    if language.code == "fr":
        numeral = found[1] or found[2]
        return ordinal(value_of(numeral), language)
    if language.code == "it":
        spoken = ordinal(value_of(found[2] or found[3]), language)
        return f"{found[1]} {spoken}" if found[1] else spoken
    word = {"s.": "siglo", "séc.": "século"}.get(found[1].lower(), found[1])
    spoken = f"{word} {_small_ordinal(found[2], language)}"
    if found[4]:
        joint = " a " if found[3] in "-–" else found[3]
        spoken += f"{joint}{_small_ordinal(found[4], language)}"
    return spoken


def _small_ordinal(numeral: str, language: Language) -> str:
    """Return an ordinal up to ten and a cardinal above, as is usual in Spanish and Portuguese."""
    value = value_of(numeral)
    if not value:
        return numeral
    return ordinal(value, language) if value <= 10 else cardinal(value, language)


def _part(found: re.Match[str], language: Language) -> str:
    value = value_of(found[2])
    pronoun = (
        found[2] == "I" and language.code == "en" and _WORD_NEXT.match(found.string, found.end())
    )
    if not value or found[2] in "LC" or pronoun:
        return found.group()  # class C, the part I like
    return f"{found[1]} {cardinal(value, language)}"


def _ruler(found: re.Match[str], language: Language) -> str:
    name, numeral = found[1], found[2]
    value = value_of(numeral)
    alone = len(numeral) == 1
    word_next = _LONG_WORD_NEXT.match(found.string, found.end())
    if not value or (alone and word_next and language.code == "en"):
        return found.group()
    # Outside English, II, V, VI … after any name are numbers. L, C and an Italian I (the article)
    # are not, and X is one only after names that had a tenth ruler.
    doubtful = numeral in "XLC" or (language.code == "it" and numeral == "I")
    if alone and language.code != "en" and doubtful and (numeral != "X" or name not in _TENTH):
        return found.group()
    if language.code == "en":
        return f"{name} the {ordinal(value, language)}"
    feminine = name in _QUEENS or (name.endswith("a") and name not in _KINGS_IN_A)
    if language.code == "fr":
        return f"{name} {ordinal(1, language) if value == 1 else cardinal(value, language)}"
    if language.code == "it" or value <= 10:
        return f"{name} {ordinal(value, language, 'f' if feminine else 'm')}"
    return f"{name} {cardinal(value, language)}"
