"""The first sentence sent on while it arrives (``FISH_EARLY_SOUND``)."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from shared.core.errors import MeshError, UpstreamUnavailable
from tests.fish_server import Answer, FishServer, tone_of
from tests.unit.tts_service.conftest import dominant_hz
from tests.unit.tts_service.engines.fish.conftest import Make, asking, speak
from tts_service.engines.fish.engine import FishEngine
from tts_service.sound.loudness import integrated_lufs

TEXT = "A sentence that is long enough to arrive in many parts."


@pytest.fixture
def engine(server: FishServer, make: Make) -> FishEngine:
    """Its voice has been heard, so that its level is known."""
    engine = make(server, fish_early_sound=True)
    speak(engine, "Something else, to be measured by its sound.")
    server.received.clear()
    return engine


def test_sound_comes_before_the_sentence_is_there(server: FishServer, engine: FishEngine) -> None:
    gate = threading.Semaphore(60)
    server.script.append(Answer(gate=gate))
    stream = engine.synthesize(asking(engine, TEXT))
    chunks = iter(stream)
    try:
        first = next(chunks)
        assert first.size
        sent = server.sent
        for _ in range(500):
            gate.release()
        rest = np.concatenate(list(chunks))
        assert server.sent > sent, "there was more to come"
    finally:
        stream.close()
    whole = np.concatenate((first, rest))
    assert dominant_hz(whole, engine.spec.sample_rate) == pytest.approx(tone_of(TEXT), abs=2)


def test_it_is_the_same_sound_as_the_whole(server: FishServer, make: Make) -> None:
    heard = {}
    for early in (True, False):
        engine = make(server, fish_early_sound=early)
        speak(engine, "Something else, to be measured by its sound.")
        heard[early] = speak(engine, TEXT, "And another sentence.")
    assert heard[True].size == pytest.approx(heard[False].size, rel=0.02)
    level = integrated_lufs(heard[True] / np.float32(32768), engine.spec.sample_rate)
    assert level == pytest.approx(-23, abs=1.5)
    steps = np.abs(np.diff(heard[True].astype(int)))
    assert steps.max() <= 1.2 * np.abs(np.diff(heard[False].astype(int))).max(), "no clicks"


def test_later_sentences_come_whole(server: FishServer, engine: FishEngine) -> None:
    request = asking(engine, TEXT, "And another sentence that is long enough.")
    stream = engine.synthesize(request)
    server.script += [Answer(), Answer("cut")]
    with pytest.raises(UpstreamUnavailable):
        list(stream)
    assert (request.progress.piece, request.progress.begun) == (1, False)


def test_one_that_breaks_off_is_known_to_have_begun(server: FishServer, engine: FishEngine) -> None:
    server.script.append(Answer("cut"))
    request = asking(engine, TEXT)
    with pytest.raises(UpstreamUnavailable) as caught:
        list(engine.synthesize(request))
    assert caught.value.code == "cut"
    assert (request.progress.piece, request.progress.begun) == (0, True)


@pytest.mark.parametrize("fault", ["hang_after_header", "html", "empty"])
def test_what_fails_before_its_first_sound_has_not(server: FishServer, make: Make, fault) -> None:
    engine = make(server, fish_early_sound=True, fish_first_audio_timeout_s=0.5)
    speak(engine, TEXT)
    server.script.append(Answer(fault))
    request = asking(engine, TEXT)
    with pytest.raises(MeshError):
        list(engine.synthesize(request))
    assert not request.progress.begun


def test_a_voice_that_was_never_heard_is_measured_first(api: FishServer, make: Make) -> None:
    engine = make(api, fish_early_sound=True)
    levels = [
        integrated_lufs(speak(engine, TEXT) / np.float32(32768), engine.spec.sample_rate)
        for _ in range(2)
    ]
    assert levels == pytest.approx([-23, -23], abs=1.5)


def test_marks_alone_are_not_asked_for(server: FishServer, engine: FishEngine) -> None:
    speak(engine, "...", "Hello there.")
    assert server.texts() == ["Hello there."]


def test_closing_ends_the_request(server: FishServer, engine: FishEngine) -> None:
    gate = threading.Semaphore(60)
    server.script.append(Answer(gate=gate))
    stream = engine.synthesize(asking(engine, TEXT))
    next(iter(stream))
    stream.close()
    before = server.sent
    for _ in range(500):
        gate.release()
    assert speak(engine, TEXT).size
    whole = 2 * engine.spec.sample_rate * len(TEXT) * 0.08
    assert server.sent - before < 1.25 * whole, "the abandoned answer did not go on"


def test_another_sample_rate(api: FishServer, make: Make) -> None:
    engine = make(api, fish_early_sound=True, fish_sample_rate=16000)
    original = engine._body
    engine._body = lambda *args: {**original(*args), "sample_rate": 44_100}  # type: ignore[method-assign]
    speak(engine, TEXT)
    assert dominant_hz(speak(engine, TEXT), 16_000) == pytest.approx(tone_of(TEXT), abs=2)
