"""Text for the eye → text for the ear, whole and as a stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.speakable import SpeakableStream, speakable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("plain words, 3.5 of them", "plain words, 3.5 of them"),
        ("**bold** and *italic* and ~~gone~~", "bold and italic and gone"),
        ("***both***", "both"),
        ("snake_case stays, _this_ does not", "snake_case stays, this does not"),
        ("# Title\ntext", "Title\ntext"),
        ("- one\n- two", "one\ntwo"),
        ("1. one\n2) two", "one\ntwo"),
        ("> quoted", "quoted"),
        ("see [the docs](https://example.com/a?b=c)", "see the docs"),
        ("![a cat](cat.png)", "a cat"),
        ("go to https://www.example.com/path/x.html.", "go to example.com."),
        ("use `ls -l` now", "use ls -l now"),
        ("hello 👋🏽 world 🎉", "hello world"),
        ("a <b>tag</b> here", "a tag here"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b\n\n1, 2"),
        ("| only | | cell", "only, cell"),
        ("cut after a comma,", "cut after a comma,"),
        ("<think>secret thoughts</think>Yes.", "Yes."),
        ("$$\\frac{1}{2}$$", "a formula"),
        ("It costs $5 and then $10 more, or US$5-$10.",) * 2,
        ("a \\*literal\\* star", "a *literal* star"),
        ("one<br>two<br/>three", "one two three"),
        ("R&amp;D &lt; 5", "R&D < 5"),
        ("- [x] done\n- [ ] open", "done\nopen"),
        ("so it is[^1] then", "so it is then"),
        ("see www.example.com/a?b=1, please", "see example.com, please"),
        ("[page](https://a.b/c_(d)) here", "page here"),
        ("broken http://[::1 address", "broken address"),
        ("Title\n=====\ntext", "Title\n\ntext"),
        ("A → B", "A, B"),
        ("→ go", "go"),
        ("2 * 3 = 6", "2 * 3 = 6"),
        ("---", ""),
        ("🎉", ""),
    ],
)
def test_markup(written, said):
    assert " ".join(speakable(written).split()) == " ".join(said.split())


@pytest.mark.parametrize(
    ("language", "words"), [("en", "code left out"), ("pt-br", "código omitido"), ("sv", "code")]
)
def test_code_is_named_in_the_language(language, words):
    assert words in speakable("Look:\n```python\nprint(1)\n```\nDone.", language)
    assert "print" not in speakable("Look:\n```python\nprint(1)", language)


def stream(pieces, language="en"):
    reader = SpeakableStream(language)
    return "".join(reader.feed(piece) for piece in pieces) + reader.flush()


TEXT = (
    "Before <think>hidden\nthought</think>middle ```py\nx = 1\n``` after [a link](http://x.y) end"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_stream_hides_what_the_whole_text_hides(size):
    pieces = [TEXT[i : i + size] for i in range(0, len(TEXT), size)]
    said = " ".join(speakable(stream(pieces)).split())
    assert said == "Before middle (code left out) after a link end"


def test_what_is_never_closed_is_never_spoken():
    assert stream(["Yes. ", "```", "code without end"]).strip() == "Yes.  (code left out)"
    assert stream(["Yes. <think>", "for ever"]) == "Yes. "


FORMULA = "The area is $$\n\\pi r^2\n$$ and \\(x \\leq 3\\), that is all."


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_a_formula_that_arrives_in_pieces_is_held_until_it_is_whole(size):
    reader, outs = SpeakableStream(), []
    for i in range(0, len(FORMULA), size):
        outs.append(reader.feed(FORMULA[i : i + size]))
    outs.append(reader.flush())
    for out in outs:
        assert out.count("$$") in (0, 2), "half a formula came out"
    assert speakable("".join(outs)) == "The area is a formula and a formula, that is all."


@pytest.mark.parametrize(
    ("text", "language", "said"),
    [
        ("Take $x$ or $y = 2$.", "en", "Take a formula or a formula."),
        (r"Es \[\frac{a}{b}\]", "es", "Es una fórmula"),
        ("$E = mc^2$", "sv", "a formula"),
        ("It costs $5, not $10.", "en", "It costs $5, not $10."),
        ("From $5-$10", "en", "From $5-$10"),
    ],
)
def test_formulas_are_named_and_prices_are_not(text, language, said):
    assert speakable(text, language) == said


def test_what_only_looks_like_a_formula_does_not_hold_speech_up_for_ever():
    reader = SpeakableStream()
    said = reader.feed("Well $$ " + "word " * 200)
    assert "word" in said


@given(st.text(alphabet="ab `~<>think/[]()!\n*$\\", max_size=60), st.integers(1, 5))
def test_pieces_do_not_matter(text, size):
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert stream(pieces) == stream([text])
