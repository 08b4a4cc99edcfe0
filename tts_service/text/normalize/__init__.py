"""Text normalisation: write text as it is spoken in English, Spanish, French, Italian, Portuguese.

Each class of token has a module with a function `rule(text, language) -> text`. `_RULES` is their
order, from specific to general: dates before ranges, prices before plain numbers. Punctuation that
determines the prosody is kept.
"""

from __future__ import annotations

from collections.abc import Callable

from tts_service.text.normalize.abbreviations import abbreviations
from tts_service.text.normalize.acronyms import acronyms
from tts_service.text.normalize.addresses import addresses
from tts_service.text.normalize.clean import clean
from tts_service.text.normalize.locales import Language
from tts_service.text.normalize.locales import language as _language
from tts_service.text.normalize.numbers.dates import dates
from tts_service.text.normalize.numbers.fractions import fractions
from tts_service.text.normalize.numbers.money import money
from tts_service.text.normalize.numbers.ordinals import ordinals
from tts_service.text.normalize.numbers.phones import phones
from tts_service.text.normalize.numbers.plain import numbers
from tts_service.text.normalize.numbers.ranges import ranges
from tts_service.text.normalize.numbers.roman import roman
from tts_service.text.normalize.numbers.times import times
from tts_service.text.normalize.numbers.units import units
from tts_service.text.normalize.symbols import signs, symbols

_RULES: tuple[Callable[[str, Language], str], ...] = (
    addresses,
    times,  # before abbreviations, which match p. and m.
    dates,
    roman,  # before abbreviations, which match s. and séc.
    abbreviations,
    phones,
    ranges,
    money,
    ordinals,  # before units, since 3° may be an ordinal or degrees
    units,
    fractions,
    signs,
    acronyms,  # before numbers, so that MP3 still has its digit
    numbers,
    symbols,
)


def normalize(text: str, language: str) -> str:
    """Convert `text` to the words that are spoken in `language`.

    Args:
        text: any text; it is never refused.
        language: a tag such as `en`, `pt-BR`. Portuguese is Brazilian, and English dates are read
            as in the United States. For other languages only numbers are spelled out where
            num2words supports it, else the text is only cleaned.

    Returns:
        Text in NFC with its line breaks, without emoji, control characters and unspoken signs. Text
            that needs no normalisation is returned unchanged.
    """
    known = _language(language)
    spoken = clean(text)
    if known.full:
        for rule in _RULES:
            spoken = rule(spoken, known)
    elif known.words:
        spoken = numbers(spoken, known)
    return spoken
