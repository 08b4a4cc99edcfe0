"""Markup is removed in time proportional to the reply, also where it is never closed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.growth import LINEAR, growth, repeated
from voice_agent.clauses import ClauseStream
from voice_agent.paired_marks import formulas, without_emphasis
from voice_agent.speakable import speakable

_UNITS = [
    "[", "![", "[a](", "[a](()", "[^", "](", "*", "*a ", "**a ** ", "**a", "***", "__a", "_a ",
    "a_", "~~a", "`", "` ", "```", "~~~", "$", "$$", "$$a", "\\(", "\\(a", "\\[ ", "\\", "<",
    "<think>", "<a ", "<br ",
    "&amp;", "&", "&#", "|", "| ", "|-", ":-", "#", "# ", "\n#", "> ", "\n-", "\n- ",
    "\n1.", "- - ",
    "=", " ", "\n", " \n", "\r\n", "\t", "→", "→ ", " →", "😀 ", "http://[", "www.", "a", "1", "漢",
    "\u0300\u0323",
]  # fmt: skip
_ENCLOSED: dict[str, Callable[[int], str]] = {
    "spaces in a row of a table": repeated(" ", before="|", after="a"),
    "spaces between words": repeated(" ", before="a", after="b"),
    "lines between words": repeated("\n", before="a", after="b"),
    "spaces after a bullet": repeated(" ", before="-", after="a"),
    "lines before a bullet": repeated("\n", after="- a"),
    "underscores": repeated("_", before="a", after=".b"),
    "dots after an address": repeated(".", before="http://a", after="a"),
    "a link": repeated("a", before="[a]("),
    "a long character reference": repeated("1", before="&#", after=";"),
    "marks in an address": repeated("\u0300\u0323", before="http://é"),
}


def test_a_whole_reply() -> None:
    makers = {unit: repeated(unit) for unit in _UNITS} | _ENCLOSED
    grown = {name: growth(speakable, make, 1000) for name, make in makers.items()}
    assert {name: factor for name, factor in grown.items() if factor > LINEAR} == {}


@pytest.mark.parametrize(
    "unit", ["[", "![a", "$$", "\\(", "`", "```", "<think>", "*a ", " ", "\n", "a"]
)
def test_a_reply_in_tokens(unit: str) -> None:
    def said(text: str) -> None:
        stream = ClauseStream("en")
        for start in range(0, len(text), 4):
            stream.feed(text[start : start + 4])
        stream.flush()

    assert growth(said, repeated(unit), 1000) <= LINEAR


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("**a** *b* ~~c~~ __d__", "a b c d"),
        ("***a***", "a"),
        ("*a **b* c", "a *b* c"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("\\*a* b*", "\\*a* b*"),
        ("*a\nb*", "*a\nb*"),
        ("**a *b** c*", "a *b c*"),
        ("*a *b *c", "*a *b *c"),
        ("a**b", "a**b"),
    ],
)
def test_emphasis(written: str, plain: str) -> None:
    assert without_emphasis(written) == plain


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a $$b$$ \\(c\\) \\[d\\]", ["$$b$$", "\\(c\\)", "\\[d\\]"]),
        ("$$a \\(b\\)", ["\\(b\\)"]),
        ("\\(a \\(b\\)", ["\\(a \\(b\\)"]),
        ("$$$$ a $$", ["$$$$ a $$"]),
        ("\\(\\)", []),
    ],
)
def test_formulas(text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in formulas(text)] == found


def test_a_character_reference_of_any_length() -> None:
    assert speakable("a&#" + "1" * 5000 + ";b") == "a\ufffdb"


def test_brackets_in_front_of_a_link_are_kept() -> None:
    assert speakable("see [1 and [here](http://a.b)") == "see [1 and here"
