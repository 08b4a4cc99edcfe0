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
        ("$$\\frac{1}{2}$$", "1 / 2"),
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


@given(st.text(alphabet="ab `~<>think/[]()!\n*", max_size=60), st.integers(1, 5))
def test_pieces_do_not_matter(text, size):
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert stream(pieces) == stream([text])
