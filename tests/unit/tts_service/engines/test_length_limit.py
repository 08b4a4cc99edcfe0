from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tts_service.engines.length_limit import split_to_length


def test_short_strings_stay_whole() -> None:
    assert split_to_length(" həlˈO. ") == ["həlˈO."]


def test_marks_alone_are_nothing() -> None:
    assert split_to_length(" .,!? ") == []


def test_cuts_prefer_sentence_marks_then_commas_then_spaces() -> None:
    assert split_to_length("aaa bbb, ccc. ddd, eee", 16) == ["aaa bbb, ccc.", "ddd, eee"]
    assert split_to_length("aaaa bbbb, cccc dddd", 12) == ["aaaa bbbb,", "cccc dddd"]
    assert split_to_length("aaaa bbbb cccc dddd", 12) == ["aaaa bbbb", "cccc dddd"]


def test_a_word_longer_than_the_limit_is_cut_somewhere() -> None:
    assert split_to_length("a" * 30, 10) == ["a" * 7, "a" * 8, "a" * 7, "a" * 8]


@given(st.text(alphabet="abəˈ .,;", max_size=400), st.integers(10, 60))
def test_nothing_is_lost_and_nothing_is_too_long(text: str, limit: int) -> None:
    parts = split_to_length(text, limit)
    assert all(len(part) <= limit for part in parts)
    letters = [c for c in text if c not in " .,;"]
    assert [c for part in parts for c in part if c not in " .,;"] == letters
