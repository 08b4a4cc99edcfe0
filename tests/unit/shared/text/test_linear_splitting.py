"""Splitting takes time in proportion to the text, in one piece and in many."""

from __future__ import annotations

import pytest

from shared.text.marks import without_stacks
from shared.text.splitter import IncrementalSplitter, clauses, split_sentences
from tests.growth import LINEAR, growth, repeated

_UNITS = [
    "a", " ", "\n", "a ", "a. ", "a\n", "\n\n", ".", ". ", "! ", "。", "」", "*", "(", "etc. ",
    "etc. (",
    "J. ", "1. ", "« ", ". »", ", ", "¿", "-", "😀", "\u0301", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("language", ["en", "de", "ja"])
def test_a_whole_text(language: str) -> None:
    grown = {
        unit: max(
            growth(lambda text: split_sentences(text, language), repeated(unit), 1000),
            growth(lambda text: clauses(text, language), repeated(unit, before="a. "), 1000),
        )
        for unit in _UNITS
    }
    assert {unit: factor for unit, factor in grown.items() if factor > LINEAR} == {}


@pytest.mark.parametrize("before", ["", "a.", "etc. ", "a,"])
@pytest.mark.parametrize("unit", [" ", "\n", " \n", "(", "a ", ".", "*"])
def test_a_text_in_pieces(before: str, unit: str) -> None:
    def split(text: str) -> None:
        splitter = IncrementalSplitter("en", first_max_chars=60)
        for start in range(0, len(text), 3):
            splitter.feed(text[start : start + 3])
        splitter.flush()

    assert growth(split, repeated(unit, before=before, after="b"), 600) <= LINEAR


@pytest.mark.parametrize(
    "text",
    ["a.   \n  \n B.", "  \n a", "etc.   The end", "Mr.   \n\n  Jones", "a   \n", "« a.   »  B."],
)
def test_white_space_in_pieces_changes_nothing(text: str) -> None:
    splitter = IncrementalSplitter("en")
    pieces = [piece for character in text for piece in splitter.feed(character)]
    assert pieces + splitter.flush() == split_sentences(text, "en")


def test_marks_beyond_the_thirtieth_are_dropped() -> None:
    assert without_stacks("a" + "\u0301" * 40 + "b") == "a" + "\u0301" * 30 + "b"
    assert without_stacks("…" * 40 + "😀" * 40) == "…" * 40 + "😀" * 40
    assert growth(without_stacks, repeated("\u0300\u0323"), 1000) <= LINEAR
