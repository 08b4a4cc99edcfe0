"""What keeps a recogniser from being called ready."""

from dataclasses import replace

import pytest

from shared.audio import source as audio_source
from shared.core.errors import EngineFailure, MeshError
from stt_service.engines.fake import FakeStt
from stt_service.recognition.self_test import WORDS, self_test


class Recogniser(FakeStt):
    """Says ``text`` whatever it hears."""

    knows_words = True

    def __init__(self, text, languages=("en",)):
        super().__init__()
        self.text = text
        self.languages_asked = []
        self.spec = replace(FakeStt.spec, languages=frozenset(languages))

    def _segments(self, blocks, options, made):
        self.languages_asked.append(options.language)
        for segment in super()._segments(blocks, options, made):
            yield segment.model_copy(update={"text": self.text})


@pytest.mark.parametrize(
    ("words", "least"), [(8, 1.0), (4, 0.5), (0, 0.0)], ids=["all", "half", "none wanted"]
)
def test_enough_words_are_enough(words, least):
    self_test(Recogniser(" ".join(WORDS[:words]).title() + "."), least)


@pytest.mark.parametrize("text", ["", "music", "He might even"])
def test_too_few_words_say_what_was_read(text):
    with pytest.raises(EngineFailure, match=f"was read as '{text}'"):
        self_test(Recogniser(text), 0.5)


def test_a_recogniser_of_other_languages_has_only_to_work():
    engine = Recogniser("Er hätte sogar", languages=("de",))
    self_test(engine, 0.5)
    assert engine.languages_asked == ["de"]


def test_a_stand_in_knows_no_words():
    self_test(FakeStt(), 1.0)


def test_an_engine_that_fails_is_said():
    with pytest.raises(EngineFailure, match="set to fail"):
        self_test(FakeStt(fail_after=0), 0.0)


def test_a_decoder_that_loses_sound_is_said(monkeypatch):
    def half(self):
        for number, packet in enumerate(self._container.demux(self._stream)):
            if number % 2:
                yield packet

    monkeypatch.setattr(audio_source.AudioSource, "_packets", half)
    with pytest.raises(MeshError, match="could be decoded"):
        self_test(FakeStt(), 0.0)
