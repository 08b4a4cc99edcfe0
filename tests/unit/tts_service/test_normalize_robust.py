"""Normalisation refuses nothing, leaves no digit behind and settles."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tts_service.normalize import normalize

_LANGUAGES = ("en", "es", "pt-BR", "fr", "it")
_SIGNS = "0123456789.,:/-–$€£R%°ºªIVXLCMAabepmshk @#()'½²+*=\n\u00a0çñé"
_TRICKY = st.text(alphabet=st.sampled_from(_SIGNS), max_size=40)
_WORDS = st.lists(st.from_regex(r"[a-zà-öø-ÿ]{3,9}", fullmatch=True), max_size=8)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(_TRICKY, st.text(max_size=60)), st.sampled_from([*_LANGUAGES, "de", "ja", "xx", ""])
)
@example("9" * 400, "en")
@example("1/0 0/0 00/00/0000", "es")
@example("\ud800", "fr")
def test_never_raises(text: str, language: str) -> None:
    assert isinstance(normalize(text, language), str)


@settings(max_examples=400, deadline=None)
@given(_TRICKY, st.sampled_from(_LANGUAGES))
@example("1'2'3 4:5:6 7h8", "it")
def test_no_digit_is_left_for_the_phonemes(text: str, language: str) -> None:
    assert not re.search("[0-9]", normalize(text, language))


@settings(max_examples=200, deadline=None)
@given(_WORDS, st.sampled_from(_LANGUAGES))
def test_plain_words_are_settled(words: list[str], language: str) -> None:
    sentence = " ".join(words)
    once = normalize(sentence, language)
    assert normalize(once, language) == once
