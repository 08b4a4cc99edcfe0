"""What the model library raises reaches the caller as an error of the mesh."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import pytest

from shared.core.errors import EngineFailure, NotReady, Overloaded, UnknownModel
from shared.wire.transcription import Segment
from stt_service.engines import whisper
from stt_service.engines.base import SAMPLE_RATE, Options
from stt_service.engines.pause_splitting import Passage
from stt_service.engines.whisper import WhisperEngine
from stt_service.settings import SttSettings

SECRET = "what was said"


class Model:
    """Fails at everything; a model of one language cannot be asked for it."""

    def __init__(self, fault: Exception) -> None:
        self._fault = fault

    def transcribe(self, *_: Any, **__: Any) -> Any:
        raise self._fault

    detect_language = transcribe


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``failing(fault, languages)``: an engine that hears speech and whose model fails."""

    def passages(*_: Any) -> Any:
        yield Passage(np.zeros(SAMPLE_RATE, np.float32), 0.0)

    def build(fault: Exception, languages: tuple[str, ...] = ("en", "es")) -> WhisperEngine:
        engine = WhisperEngine(SttSettings(_env_file=None))
        engine.spec = types.SimpleNamespace(languages=frozenset(languages), name="whisper")
        engine._model = Model(fault)
        engine._detect = object()
        return engine

    monkeypatch.setattr(whisper, "passages", passages)
    monkeypatch.setattr(WhisperEngine, "_encode_fast", lambda *_: None)
    return build


def test_a_full_device_is_busy_not_broken(failing: Any) -> None:
    engine = failing(RuntimeError("CUDA failed with error out of memory"))
    with pytest.raises(Overloaded, match="no memory"):
        list(engine.transcribe([], Options(language="en")).segments)


def test_other_faults_are_the_engines_and_quote_nothing(
    failing: Any, caplog: pytest.LogCaptureFixture
) -> None:
    engine = failing(ValueError(SECRET))
    with pytest.raises(EngineFailure) as caught:
        list(engine.transcribe([], Options(language="en")).segments)
    assert SECRET not in caught.value.message + caplog.text


def test_a_model_of_one_language_is_not_asked_which_it_hears(
    failing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = failing(RuntimeError("only multilingual models"), languages=("en",))
    monkeypatch.setattr(WhisperEngine, "_passage", lambda *_: [])
    made = engine.transcribe([], Options())
    assert list(made.segments) == []


def test_weights_come_from_what_was_prepared(tmp_path: Any) -> None:
    def engine(name: str) -> WhisperEngine:
        return WhisperEngine(
            SttSettings(_env_file=None, whisper_model=name, voicemesh_home=tmp_path)
        )

    with pytest.raises(NotReady, match=r"mesh download Systran/faster-whisper-small\.en"):
        engine("small.en").load()
    with pytest.raises(UnknownModel):
        engine("enormous").load()
    assert engine("large-v3").spec.commercial_use
    assert not engine("acme/whisper-of-ours").spec.commercial_use


def test_words_that_the_model_itself_doubts_are_not_given() -> None:
    def heard(text: str, no_speech: float, logprob: float) -> Segment:
        return Segment(start=0, end=1, text=text, no_speech_prob=no_speech, avg_logprob=logprob)

    engine = WhisperEngine(SttSettings(_env_file=None))
    passage = Passage(np.zeros(SAMPLE_RATE, np.float32), 10.0)
    found = [
        heard(" Thanks for watching.", 0.9, -0.9),
        heard(" A loud room.", 0.9, -0.3),
        heard(" A quiet word.", 0.2, -0.9),
        heard(" ...", 0.0, -0.1),
    ]
    kept = engine._placed(passage, found)
    assert [segment.text for segment in kept] == [" A loud room.", " A quiet word."]
    assert [segment.start for segment in kept] == [10.0, 10.0]
