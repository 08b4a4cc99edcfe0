"""The languages of XTTS, and texts split to its limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from tts_service.engines.length_limit import split_to_length

LANGUAGES: Mapping[str, str | None] = MappingProxyType(
    {
        "en": None, "es": None, "fr": None, "de": None, "it": None, "pt-br": None, "pl": None,
        "tr": None, "ru": None, "nl": None, "cs": None, "ar": None, "zh": "pypinyin", "hu": None,
        "ko": None, "ja": "cutlet", "hi": None,
    }
)  # fmt: skip
"""The tags of XTTS-v2's languages and the package that its tokenizer needs for each."""

_CHARACTERS: Mapping[str, int] = MappingProxyType(
    {
        "en": 250, "de": 253, "fr": 273, "es": 239, "it": 213, "pt": 203, "pl": 224, "zh": 82,
        "ar": 166, "cs": 186, "ru": 182, "nl": 251, "tr": 226, "ja": 71, "hu": 224, "ko": 95,
        "hi": 150,
    }
)  # fmt: skip
"""Longest text per language. The model may truncate longer ones (coqui-tts 0.28.0,
``VoiceBpeTokenizer.char_limits``)."""
_TOKENS = 400
"""The model refuses 402 tokens and more."""


def parts_of(text: str, language: str, count_tokens: Callable[[str, str], int]) -> Iterator[str]:
    """Split ``text`` at punctuation or spaces into parts that the model speaks whole.

    Args:
        text: one piece, normalised.
        language: without its region.
        count_tokens: text and language → tokens as the model counts them.
    """
    yield from _cut(text, language, _CHARACTERS[language], count_tokens)


def _cut(
    text: str, language: str, limit: int, count_tokens: Callable[[str, str], int]
) -> Iterator[str]:
    for part in split_to_length(text, limit):
        if count_tokens(part, language) < _TOKENS or limit < 2:
            yield part
        else:
            yield from _cut(part, language, limit // 2, count_tokens)
