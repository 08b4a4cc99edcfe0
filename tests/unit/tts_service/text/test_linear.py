"""Normalisation and pronunciation take time in proportion to the text, whatever it holds.

A rule that reads ahead from each character takes quadratic time, and one request would hold the
interpreter for seconds.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.growth import LINEAR, growth, repeated
from tts_service.engines.length_limit import split_to_length
from tts_service.text.g2p import available_languages, phonemize, vocabulary
from tts_service.text.normalize import normalize
from tts_service.text.pieces import pieces_of

_SPOKEN = ("en", "es", "fr", "it", "pt")
_OTHERS = ("de", "ja", "zh", "hi")

_DIGITS = [
    "1",
    "0",
    "1.",
    "1,",
    "1.000,",
    "123 ",
    "600 123 ",
    "1 ",
    "1-",
    "1–",
    "1/",
    "1:",
    "1'",
    "+1",
]
_NUMBERS = [
    "1/2 ",
    "½",
    "1½",
    "12:30",
    "3 p.m. ",
    "03/04/2025 ",
    "$1",
    "1 €",
    "R$ ",
    "3%",
    "1°",
    "1 km ",
]
_LETTERS = [
    "a",
    "A",
    "É",
    "AB",
    "aA",
    "A.",
    "AB ",
    "IV",
    "Louis I ",
    "siglo X-",
    "Ie et ",
    "I secolo ",
]
_ENDINGS = ["Dr. ", "etc. ", "p. ", "S.O.S. ", "in (", "in 1185 "]
_ADDRESSES = ["a@", "a%", "a.b@", "a@a.", "a.", "a-", "http://", "www.", "@a", "#", "_", "&amp;"]
_MARKS = [".", ",", "-", "*", "(", "[", "]", '"', "$", "|", "`", "«", "= ", "² "]
_SPACES = [" ", "\t", "\n", "\r\n", "\u00a0", "a\n", "\n\n- "]
_SCRIPTS = ["漢", "あ、", "हि", "ا ", "😀\u200d", "\u200b", "\u0300\u0323", "\u0f73", "\ud800", "١"]
_UNITS = [*_DIGITS, *_NUMBERS, *_LETTERS, *_ENDINGS, *_ADDRESSES, *_MARKS, *_SPACES, *_SCRIPTS]

_UNCLOSED: dict[str, Callable[[int], str]] = {
    "trailing marks": repeated(")", before="http://a", after="a"),
    "trailing dots": repeated(".", before="www.a", after="a"),
    "price without an end": repeated("1", before="$", after="x"),
    "amount": repeated("0", before="1", after="€"),
    "range": repeated("1", before="1-", after="-1"),
    "range and a slash": repeated("1/", before="1-", after="-1"),
    "e-mail": repeated("a.", after="@a"),
    "domain": repeated("a.", after="com/"),
    "year": repeated("(", before="in ", after="1185"),
    "century": repeated(" et", before="Ie", after="x"),
    "lines after an abbreviation": repeated("\n", before="Mr.", after="B"),
}  # fmt: skip


@pytest.mark.parametrize("language", _SPOKEN)
def test_normalisation_is_linear(language: str) -> None:
    _hold({unit: repeated(unit) for unit in _UNITS} | _UNCLOSED, language, 400)


@pytest.mark.parametrize("language", _OTHERS)
def test_cleaning_is_linear(language: str) -> None:
    _hold({unit: repeated(unit) for unit in _UNITS}, language, 600)


def _hold(makers: dict[str, Callable[[int], str]], language: str, length: int) -> None:
    grown = {
        name: growth(lambda text: normalize(text, language), make, length)
        for name, make in makers.items()
    }
    assert {name: factor for name, factor in grown.items() if factor > LINEAR} == {}


@pytest.mark.parametrize("unit", ["a. ", "! ", "a\n", "\n\na", "a ", ", a", "A.", "1/"])
def test_the_pieces_of_a_text_are_linear(unit: str) -> None:
    def pieces(text: str) -> object:
        return pieces_of(text, "en", first_clause_chars=60)

    assert growth(pieces, repeated(unit, before="a"), 500) <= LINEAR


@pytest.mark.parametrize("language", ["es", "fr", "it", "pt"])
@pytest.mark.parametrize(
    "unit", ["a", "z", "az", "egli", "ia", "ui", "x", "ã", "l'", "a'", "a-", "\u0300\u0323"]
)
def test_pronunciation_is_linear(language: str, unit: str) -> None:
    _skip_if_missing(language)
    assert growth(lambda text: phonemize(text, language), repeated(unit), 400) <= LINEAR


@pytest.mark.parametrize(
    "unit", ["a-", "word-", "Ab", "aA", "word.", "l'a", 'a"', ":-", "‘", "a/", "a"]
)
def test_english_compounds_are_linear(unit: str) -> None:
    # The G2P takes cubic time for the parts of one word. A piece has at most 400 characters.
    _skip_if_missing("en")
    assert growth(lambda text: phonemize(text, "en"), repeated(unit), 50) <= LINEAR


def test_the_parts_of_an_ordinary_compound_stay_together() -> None:
    _skip_if_missing("en")
    assert " " not in phonemize("jack-of-all-trades-and-master-of-none", "en")


def test_phonemes_and_lengths_are_linear() -> None:
    assert growth(vocabulary.fit, repeated("\u0300\u0323"), 1000) <= LINEAR
    assert growth(split_to_length, repeated("a"), 4000) <= LINEAR


@pytest.mark.parametrize("language", [*_SPOKEN, "de"])
@pytest.mark.parametrize(
    "written",
    [
        "{}",
        "${}",
        "{} €",
        "{}.5",
        "{},5",
        "a{}",
        "{}/2",
        "{}½",
        "{} km",
        "1-{}",
        "{}%",
        "${} million",
    ],
)
def test_a_number_of_any_length_is_read_digit_by_digit(language: str, written: str) -> None:
    # More digits than int() accepts.
    spoken = normalize(written.format("7" * 5000), language)
    assert len(spoken.split()) > 4000 or "½" in written
    assert not any(character.isdigit() for character in spoken)


def test_more_marks_than_a_letter_has_are_dropped() -> None:
    assert normalize("e" + "\u0301" * 500, "hi") == "é" + "\u0301" * 29
    assert normalize("ก็ที่ หิ่นี้", "th") == "ก็ที่ หิ่นี้"


def _skip_if_missing(language: str) -> None:
    if language not in available_languages():
        pytest.skip(f"the G2P of {language} is not installed")
