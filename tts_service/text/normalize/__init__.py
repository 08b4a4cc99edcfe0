"""Written text → the words a person would say, for English, Spanish, French, Italian, Portuguese.

Each class of token has a file and a function `rule(text, language) -> text`; `_RULES` is their
order, which matters: the specific before the general, so that a date is gone before the ranges
are looked for and a price before the plain numbers. Punctuation that carries the melody stays.
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
    times,  # before the abbreviations, which know p. and m.
    dates,
    roman,  # before the abbreviations, which know s. and séc.
    abbreviations,
    phones,
    ranges,
    money,
    ordinals,  # 3° may be either; what is no ordinal is left to the units
    units,
    fractions,
    signs,
    acronyms,  # while MP3 still has its figure
    numbers,
    symbols,
)


def normalize(text: str, language: str) -> str:
    """`text` as it is spoken in `language`.

    Args:
        text: anything; it is never refused.
        language: a tag such as `en`, `pt-BR`. Portuguese is Brazil's, English reads dates as in
            the United States. A language without rules of its own gets its numbers spelled where
            num2words knows it, and is only cleaned otherwise.

    Returns:
        Text in NFC, line breaks kept, without emoji, control characters and unspoken signs.
        Words that are plain already come back unchanged.
    """
    known = _language(language)
    spoken = clean(text)
    if known.full:
        for rule in _RULES:
            spoken = rule(spoken, known)
    elif known.words:
        spoken = numbers(spoken, known)
    return spoken
