import itertools
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.text.splitter import IncrementalSplitter, clauses, split_sentences

# (language, sentences): joined by a space, each must come back as it is.
SENTENCES = [
    (
        "en",
        ["Mr. Smith paid $3.50 to Dr. Jones at 5 p.m. on Jan. 5.", "He left.", "Then it rained."],
    ),
    ("en", ["Wait...", "What?!", "No!!", "Well... maybe."]),
    ("en", ['"Really?" she asked.', "He said (I think.) that.", "(Fine.)", "'Good.'"]),
    ("en", ["Visit www.example.com/a.b?c=d. ".strip(), "Mail a.b@c.com.", "Version 1.2.3 is out."]),
    ("en", ["J. R. R. Tolkien wrote it.", "The U.S. Army came, etc.", "The end."]),
    ("en", ["See no. 5 and fig. 3 on p. 12.", "No. 7 is next.", "She said no.", "Then she left."]),
    ("en", ["It costs 5.", "That's cheap.", "Is that the U.S.?", "Yes."]),
    ("es", ["El Sr. García y la Sra. López viven en la Av. Reforma.", "¿Cómo está?", "¡Bien!"]),
    (
        "es",
        ["P. ej. esto... y aquello.", "Costó 1.234,50 €.", "EE. UU. ganó a las 5 p. m. de ayer."],
    ),
    ("es", ["¡Hola!", "¿qué tal?", "La Dra. Ruiz, Lic. Pérez e Ing. Mora.", "El núm. 3."]),
    ("pt", ["O Sr. Silva mora na Av. Paulista, n. 5.", "A Dra. Ana chegou às 5h.", "Tudo bem?"]),
    ("pt-br", ["A Profa. Lia, p. ex. ontem, disse etc.", "Mas o R. Augusta..."]),
    ("fr", ["M. Dupont et Mme. Durand sont là.", "« Bonjour. » dit-il.", "« Oui. »", "Ça va ?"]),
    ("it", ["Il sig. Rossi e la sig.ra Bianchi.", "L'avv. Verdi abita in v.le Roma.", "Ciao!"]),
    (
        "de",
        [
            "Am 3. Oktober kam Hr. Müller, z. B. um 5 Uhr.",
            "„Ja.“ sagte er.",
            "Ich bin 25.",
            "Das ist gut.",
        ],
    ),
    ("de", ["Das war's.", "Dr. Meier ging ca. 3 km.", "»Ja.«", "Es war 1990.", "Er ging."]),
    ("hi", ["यह एक वाक्य है।", "दूसरा वाक्य॥", "तीसरा?"]),
    ("ru", ["Это дом.", "Где он?", "Там!"]),
    ("ar", ["هل أنت بخير؟", "نعم."]),
]


@pytest.mark.parametrize(("language", "sentences"), SENTENCES)
def test_sentences_come_back_as_they_were_joined(language: str, sentences: list[str]) -> None:
    assert split_sentences(" ".join(sentences), language) == sentences


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("zh", ["你好。", "今天天气很好！", "你呢？", "我们走吧……好的。"]),
        ("ja", ["こんにちは。", "今日は「いい天気。」ですね！", "「そうですか？」"]),
        ("es", ["¡Hola!", "¿Qué tal?"]),
    ],
)
def test_no_space_is_needed_where_the_script_has_none(language: str, sentences: list[str]) -> None:
    assert split_sentences("".join(sentences), language) == sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A title\n\nFirst text. Second text", ["A title", "First text.", "Second text"]),
        ("A line that\ngoes on here", ["A line that\ngoes on here"]),
        ("One thing,\nAnd another", ["One thing,\nAnd another"]),
        (
            "Two things:\n1. First thing\n2. Second thing",
            ["Two things:", "1. First thing", "2. Second thing"],
        ),
        ("- milk\n- bread", ["- milk", "- bread"]),
        ("Dr.\nSmith came", ["Dr.\nSmith came"]),
        ("  \n ", []),
        ("", []),
        ("...", ["..."]),
        ("... Hello. ", ["... Hello."]),
        ("No end", ["No end"]),
    ],
)
def test_lines_paragraphs_and_odd_texts(text: str, expected: list[str]) -> None:
    assert split_sentences(text, "en") == expected


def test_the_same_full_stop_means_different_things_in_two_languages() -> None:
    text = "Er kam am 3. Mai war schon vorbei."
    assert split_sentences(text, "de") == [text]
    assert split_sentences(text, "en") == ["Er kam am 3.", "Mai war schon vorbei."]


def test_long_sentences_are_cut_after_clauses_then_between_words_then_anywhere() -> None:
    text = "one two three four, five six seven eight nine ten eleven twelve"
    assert split_sentences(text, "en", max_chars=25) == [
        "one two three four,",
        "five six seven eight nine",
        "ten eleven twelve",
    ]
    # A cut right behind the first words would leave nearly all of it for the next piece.
    assert split_sentences("Oh, one two three four five six seven", "en", max_chars=25) == [
        "Oh, one two three four",
        "five six seven",
    ]
    assert split_sentences("x" * 25, "en", max_chars=10) == ["x" * 10, "x" * 10, "x" * 5]
    assert split_sentences("1,234,567.89 and more", "en", max_chars=15) == [
        "1,234,567.89",
        "and more",
    ]


def test_the_first_clause_is_short_and_the_rest_are_sentences() -> None:
    text = (
        "Once upon a time in a faraway land, there was a king who ruled with kindness over all of "
        "his people. He was loved, and he was wise in every way that a king can be wise."
    )
    assert clauses(text, "en", first_max_chars=60) == [
        "Once upon a time in a faraway land,",
        "there was a king who ruled with kindness over all of his people.",
        "He was loved, and he was wise in every way that a king can be wise.",
    ]


def test_a_first_sentence_without_a_clause_is_cut_before_a_conjunction() -> None:
    text = "El perro grande corre por el parque mientras su dueño lee un libro muy largo."
    assert clauses(text, "es", first_max_chars=50) == [
        "El perro grande corre por el parque",
        "mientras su dueño lee un libro muy largo.",
    ]


def test_a_first_sentence_without_any_good_place_stays_whole() -> None:
    text = "The extraordinarily complicated international telecommunications infrastructure failed."
    assert clauses(text, "en", first_max_chars=30) == [text]


def test_a_short_first_sentence_is_not_cut() -> None:
    assert clauses("Well, yes, of course. Go on.", "en") == ["Well, yes, of course.", "Go on."]


def test_incremental_gives_a_sentence_as_soon_as_the_next_word_begins() -> None:
    splitter = IncrementalSplitter("en")
    assert splitter.feed("Hello there.") == []
    assert splitter.feed(" ") == []
    assert splitter.feed("How") == ["Hello there."]
    assert splitter.feed(" are you?") == []
    assert splitter.flush() == ["How are you?"]
    assert splitter.flush() == []


def test_incremental_does_not_mistake_a_token_boundary_for_the_end() -> None:
    splitter = IncrementalSplitter("en")
    made = [
        piece
        for token in ("It is 3", ".", "5 or e", ".", "g.", " 4", ".", " Yes")
        for piece in splitter.feed(token)
    ]
    assert made + splitter.flush() == ["It is 3.5 or e.g. 4.", "Yes"]


def test_after_a_flush_the_first_clause_is_short_again() -> None:
    text = "Once upon a time in a faraway land, there was a king who ruled with kindness over all."
    splitter = IncrementalSplitter("en", first_max_chars=60)
    first = splitter.feed(text) + splitter.flush()
    assert first == clauses(text, "en", first_max_chars=60)
    assert splitter.feed(text) + splitter.flush() == first


def test_a_piece_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="room"):
        split_sentences("x", "en", max_chars=0)
    with pytest.raises(ValueError, match="room"):
        IncrementalSplitter("en", first_max_chars=0)


_LANGUAGES = st.sampled_from(["en", "es", "pt-br", "fr", "it", "de", "ja", "hi", "xx"])
_PROSE = st.lists(
    st.sampled_from(
        [
            *[
                "Dr",
                "the",
                "The",
                "and",
                "U.S",
                "z",
                "B",
                "3",
                "1990",
                "é",
                "www.a.b",
                "…",
                "你好",
                "。",
                "」",
            ],
            *[
                ".",
                "...",
                "!",
                "?",
                ",",
                ";",
                " ",
                " ",
                " ",
                "\n",
                "\n\n",
                '"',
                "«",
                "»",
                "(",
                ")",
                "¿",
                "–",
                "\u00a0",
            ],
        ]
    ),
    max_size=60,
).map("".join)
_ANY = st.one_of(_PROSE, st.text(max_size=200), st.text(string.printable, max_size=200))


def _without_space(text: str) -> str:
    return "".join(text.split())


@given(text=_ANY, language=_LANGUAGES, limit=st.integers(1, 80))
def test_nothing_but_white_space_is_lost_and_no_piece_is_too_long(
    text: str, language: str, limit: int
) -> None:
    for pieces in (
        split_sentences(text, language, max_chars=limit),
        clauses(text, language, first_max_chars=20, max_chars=limit),
    ):
        assert _without_space("".join(pieces)) == _without_space(text)
        assert all(piece and piece == piece.strip() for piece in pieces)
        assert all(len(piece) <= max(limit, 20) for piece in pieces)


@given(
    text=_ANY,
    language=_LANGUAGES,
    cuts=st.lists(st.integers(0, 200), max_size=30),
    first=st.one_of(st.none(), st.integers(1, 40)),
    limit=st.integers(1, 80),
)
@example(text="Hi there.  ", language="en", cuts=[9, 10], first=None, limit=10)
def test_incremental_equals_whole_however_the_tokens_fall(
    text: str, language: str, cuts: list[int], first: int | None, limit: int
) -> None:
    whole = (
        split_sentences(text, language, max_chars=limit)
        if first is None
        else clauses(text, language, first_max_chars=first, max_chars=limit)
    )
    splitter = IncrementalSplitter(language, first_max_chars=first, max_chars=limit)
    made: list[str] = []
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for begin, end in itertools.pairwise(edges):
        made += splitter.feed(text[begin:end])
    assert made + splitter.flush() == whole


def test_a_hostile_run_of_stops_stays_cheap() -> None:
    text = "a" + "!" * 20_000
    assert _without_space("".join(split_sentences(text, "en"))) == text
