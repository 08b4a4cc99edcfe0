from __future__ import annotations

import pytest

from shared.core.errors import InvalidRequest, UnknownVoice
from shared.engines.registry import EngineSpec
from tts_service.engines.base import EngineVoice, Gender
from tts_service.synthesis.engine_choice import Choice, ReadyEngine, VoiceQuery, choose


def candidate(name: str, *voices: tuple[str, str, Gender], cloning: str = "none") -> ReadyEngine:
    tags = frozenset(tag for _, tag, _ in voices)
    spec = EngineSpec(
        name=name,
        model=name,
        licence="CC0-1.0",
        commercial_use=True,
        languages=tags,
        cloning=cloning,
    )
    return ReadyEngine(spec, tuple(EngineVoice(v, tag, tags, gender) for v, tag, gender in voices))


SMALL = candidate("small", ("heart", "en-us", "female"))
BIG = candidate(
    "big",
    ("af_heart", "en-us", "female"),
    ("bf_emma", "en-gb", "female"),
    ("ef_dora", "es", "female"),
    ("em_alex", "es", "male"),
    ("am_echo", "en-us", "male"),
    cloning="matching",
)
CANDIDATES = [SMALL, BIG]


def chosen(query: VoiceQuery) -> list[tuple[str, str, str]]:
    return [(c.engine, c.voice.id, c.language) for c in choose(query, CANDIDATES)]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        (VoiceQuery("en"), ("small", "heart", "en-us")),
        (VoiceQuery("es"), ("big", "ef_dora", "es")),
        (VoiceQuery("es", language="EN"), ("small", "heart", "en-us")),
        (VoiceQuery("en", language="en-GB"), ("big", "bf_emma", "en-gb")),
        (VoiceQuery("en", language="es-MX"), ("big", "ef_dora", "es")),
        (VoiceQuery("en", voice="ef_dora"), ("big", "ef_dora", "es")),
        (VoiceQuery("en", voice="big/EF_dora"), ("big", "ef_dora", "es")),
        (VoiceQuery("en", voice="ef_dora", language="en"), ("big", "ef_dora", "en-us")),
        (VoiceQuery("en", voice="bf_emma", language="en"), ("big", "bf_emma", "en-gb")),
        (VoiceQuery("en", voice="echo"), ("big", "am_echo", "en-us")),
        (VoiceQuery("es", voice="echo"), ("big", "em_alex", "es")),
        (VoiceQuery("en", voice="Echo", language="es"), ("big", "em_alex", "es")),
        (VoiceQuery("en", voice="echo", engine="small"), ("small", "heart", "en-us")),
        (VoiceQuery("en", engine="big"), ("big", "af_heart", "en-us")),
        (VoiceQuery("en", reference=True), ("big", "af_heart", "en-us")),
    ],
)
def test_first_choice(query: VoiceQuery, first: tuple[str, str, str]) -> None:
    assert chosen(query)[0] == first


def test_the_next_engine_that_speaks_the_language_is_the_fallback() -> None:
    assert chosen(VoiceQuery("en")) == [("small", "heart", "en-us"), ("big", "af_heart", "en-us")]
    assert chosen(VoiceQuery("es")) == [("big", "ef_dora", "es")]


def test_a_fallback_of_a_named_voice_keeps_its_gender() -> None:
    male = candidate("other", ("anna", "es", "female"), ("bruno", "es", "male"))
    choices = choose(VoiceQuery("en", voice="em_alex"), [BIG, male])
    assert [c.voice.id for c in choices] == ["em_alex", "bruno"]


def test_the_accent_asked_for_goes_before_the_order_of_engines() -> None:
    assert chosen(VoiceQuery("en", language="en-gb")) == [
        ("big", "bf_emma", "en-gb"),
        ("small", "heart", "en-us"),
    ]


def test_unknown_voice_lists_what_there_is() -> None:
    with pytest.raises(UnknownVoice) as caught:
        choose(VoiceQuery("en", voice="nobody"), CANDIDATES)
    assert {"heart", "ef_dora", "alloy"} <= set(caught.value.details["available"])


def test_a_voice_of_another_engine_than_the_model_asked_for_is_unknown() -> None:
    with pytest.raises(UnknownVoice):
        choose(VoiceQuery("en", voice="ef_dora", engine="small"), CANDIDATES)


def test_unknown_language_lists_what_is_spoken() -> None:
    with pytest.raises(InvalidRequest) as caught:
        choose(VoiceQuery("en", language="de"), CANDIDATES)
    assert caught.value.details["available"] == ["en-gb", "en-us", "es"]
    assert caught.value.code == "unknown_language"


def test_a_voice_that_does_not_speak_the_language_names_those_that_do() -> None:
    with pytest.raises(InvalidRequest) as caught:
        choose(VoiceQuery("en", voice="heart", language="es"), CANDIDATES)
    assert caught.value.details["voices"] == ["ef_dora", "em_alex"]
    assert caught.value.code == "voice_language_mismatch"


def test_a_sample_needs_an_engine_that_can_follow_it() -> None:
    with pytest.raises(InvalidRequest, match="sample"):
        choose(VoiceQuery("en", reference=True), [SMALL])


def test_choices_are_plain_values() -> None:
    assert choose(VoiceQuery("en"), [SMALL]) == [Choice("small", SMALL.voices[0], "en-us")]


def test_a_voice_speaks_languages_that_are_not_its_own() -> None:
    tags = frozenset({"en-us", "es", "pt-br"})
    spec = EngineSpec(
        name="cloner", model="m", licence="CC0-1.0", commercial_use=True, languages=tags
    )
    ana = EngineVoice("ana", "es", tags)
    cloner = ReadyEngine(spec, (EngineVoice("bob", "en-us", tags), ana))
    assert choose(VoiceQuery("pt"), [cloner])[0] == Choice("cloner", cloner.voices[0], "pt-br")
    assert choose(VoiceQuery("es"), [cloner])[0] == Choice("cloner", ana, "es")
    # As preferred, it goes before an engine with a native voice.
    native = candidate("native", ("pf_dora", "pt-br", "female"))
    assert [c.engine for c in choose(VoiceQuery("pt"), [cloner, native])] == ["cloner", "native"]
