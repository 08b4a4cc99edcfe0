"""Normalisation refuses nothing, leaves no digit behind and settles."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tts_service.text.normalize import normalize

_LANGUAGES = ("en", "es", "pt-BR", "fr", "it")
_SIGNS = "0123456789.,:/-–$€£R%°ºªIVXLCMAabepmshk @#()'½²+*=\n\u00a0çñé"
_TRICKY = st.text(alphabet=st.sampled_from(_SIGNS), max_size=40)
_TRAPS = """
class part siglo secolo siècle século Louis Pio Luis C L X I V Ier XXe XL IX MC 1 21 1.000 1,5 3/4
10:30 14h 2h30 $ € R$ £ USD k M millions mil % ° °C º ª st er e km/h m² kg s Dr. St. Mr. S. p. ej.
a.m. p. m. @a #b a@b.co www.x.com/y?z= + - – × = & ½ ' ’80s 5'10" April abril May 03/04/25 (11)
31/02/2024 2025-13-01 +34 600 123 456 FBI NASA S.O.S. . , ! ?
"""
_TOKENS = [*_TRAPS.split(), "\n"]
_SENTENCES = st.lists(st.sampled_from(_TOKENS), max_size=10).map(" ".join)
_GLUED = st.lists(st.sampled_from(_TOKENS), max_size=6).map("".join)
_WORDS = st.lists(st.from_regex(r"[a-zà-öø-ÿ]{3,9}", fullmatch=True), max_size=8)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(_TRICKY, _SENTENCES, _GLUED, st.text(max_size=60)),
    st.sampled_from([*_LANGUAGES, "de", "ja", "xx", ""]),
)
@example("9" * 400, "en")
@example("1/0 0/0 00/00/0000", "es")
@example("\ud800", "fr")
def test_never_raises(text: str, language: str) -> None:
    assert isinstance(normalize(text, language), str)


@settings(max_examples=400, deadline=None)
@given(st.one_of(_TRICKY, _SENTENCES, _GLUED), st.sampled_from(_LANGUAGES))
@example("1'2'3 4:5:6 7h8", "it")
def test_no_digit_is_left_for_the_phonemes(text: str, language: str) -> None:
    assert not re.search("[0-9]", normalize(text, language))


@settings(max_examples=200, deadline=None)
@given(_WORDS, st.sampled_from(_LANGUAGES))
def test_plain_words_are_settled(words: list[str], language: str) -> None:
    sentence = " ".join(words)
    once = normalize(sentence, language)
    assert normalize(once, language) == once
