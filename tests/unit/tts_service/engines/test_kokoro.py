"""Kokoro's own code around a model that is a few lines of Python."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import shared.models
import tts_service.engines.kokoro as kokoro_module
from shared.core.errors import ModelDamaged, NotReady
from tts_service.engines.base import EngineVoice, Piece, Reference, SynthesisRequest
from tts_service.engines.kokoro import KokoroEngine

RATE = 24_000
ROW_BYTES = 256 * 4
LETTERS = sorted(
    set("abcdefghijklmnopqrstuvwxyzəˈˌɪʊɛɔɡː ,.!?")
    | set(kokoro_module._CALIBRATION_PHONEMES + kokoro_module._WARM_UP_PHONEMES)
)


class ToneSession:
    """In place of the ONNX session: a tone as long as its tokens; keeps what it was asked."""

    def __init__(self, path: Path, threads: int) -> None:
        assert path.name == "model.onnx"
        assert threads == 2
        self.asked: list[dict[str, Any]] = []

    def run(self, outputs: None, inputs: dict[str, Any]) -> list[Any]:
        assert outputs is None
        self.asked.append(inputs)
        samples = round(inputs["tokens"].size * 0.06 * RATE / float(inputs["speed"][0]))
        tone = 0.02 * np.sin(2 * np.pi * 300 * np.arange(samples) / RATE)
        return [tone.astype(np.float32)[None, :]]


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "kokoro").mkdir()
    voices = tmp_path / "kokoro-voices"
    voices.mkdir()
    vocabulary = {letter: number for number, letter in enumerate(LETTERS, 1)}
    (tmp_path / "kokoro" / "vocab.json").write_text(json.dumps({"vocab": vocabulary}))
    for number, name in enumerate(("af_heart", "am_adam", "bf_emma", "hf_alpha", "if_sara")):
        style = np.full((510, 256), number, np.float32)
        style[:, 0] = np.arange(510)
        style.tofile(voices / f"{name}.bin")
    monkeypatch.setattr(shared.models, "locate", lambda name, home: tmp_path / name)
    monkeypatch.setattr(kokoro_module, "CompactSession", ToneSession)
    languages = ("en", "en-gb", "it")
    monkeypatch.setattr("tts_service.text.g2p.available_languages", lambda: languages)
    return tmp_path


@pytest.fixture
def engine(models: Path) -> Iterator[KokoroEngine]:
    built = KokoroEngine(models, threads=2)
    built.load()
    yield built
    built.close()


def asked(engine: KokoroEngine) -> list[dict[str, Any]]:
    session: Any = engine._session
    return session.asked


def request(engine: KokoroEngine, text: str, voice: str = "if_sara", **more: Any) -> Any:
    found = next(v for v in engine.voices() if v.id == voice)
    return SynthesisRequest((Piece(text),), "it", found, **more)


def test_voices_have_the_language_of_their_prefix_and_defaults_come_first(
    engine: KokoroEngine,
) -> None:
    spoken = frozenset({"en-us", "en-gb", "it"})
    assert engine.voices() == (
        EngineVoice("af_heart", "en-us", spoken, "female"),
        EngineVoice("bf_emma", "en-gb", spoken, "female"),
        EngineVoice("if_sara", "it", spoken, "female"),
        EngineVoice("am_adam", "en-us", spoken, "male"),
    )
    assert "hf_alpha" in engine.style_names()


def test_languages_without_pronunciation_say_what_they_need(engine: KokoroEngine) -> None:
    hints = engine.language_hints()
    assert "hi" in hints
    assert "it" not in hints


def test_the_style_row_is_the_number_of_tokens(engine: KokoroEngine) -> None:
    list(engine.synthesize(request(engine, "ciao")))
    (inputs,) = asked(engine)
    tokens = inputs["tokens"]
    assert tokens.dtype == np.int64
    assert tokens[0, 0] == tokens[0, -1] == 0
    assert inputs["style"].shape == (1, 256)
    assert inputs["style"][0, 0] == tokens.size - 2
    assert inputs["style"][0, 1] == 4.0  # the fifth voice of the fixture


def test_long_sentences_stay_within_the_model(engine: KokoroEngine) -> None:
    list(engine.synthesize(request(engine, "una parola e ancora una parola " * 40)))
    sizes = [inputs["tokens"].size for inputs in asked(engine)]
    assert len(sizes) > 2
    assert max(sizes) <= 402


def test_speed_is_shared_between_model_and_stretching(engine: KokoroEngine) -> None:
    list(engine.synthesize(request(engine, "ciao", speed=3.0)))
    assert asked(engine)[0]["speed"] == np.float32(1.5)


def test_a_voice_outside_the_table_is_measured_once(engine: KokoroEngine) -> None:
    engine._lufs.clear()
    (first,) = engine.synthesize(request(engine, "ciao"))
    assert len(asked(engine)) == 2
    (second,) = engine.synthesize(request(engine, "ciao"))
    assert len(asked(engine)) == 3
    assert np.array_equal(first, second)


def test_every_style_of_the_table_is_measured_in_a_plausible_range() -> None:
    table = Path(kokoro_module.__file__).with_name("kokoro_loudness.json")
    lufs = json.loads(table.read_text())["lufs"]
    assert len(lufs) == 54
    assert all(-32 < value < -10 for value in lufs.values())


def test_a_reference_becomes_a_measured_style(
    engine: KokoroEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Matched:
        id = "matched-1"
        style = np.full((510, 256), 9, np.float32)
        similarity = 0.71

    class Matcher:
        made = 0

        def __init__(self) -> None:
            Matcher.made += 1

        def match(self, audio: bytes) -> Matched:
            assert audio == b"recording"
            return Matched()

    monkeypatch.setattr(engine, "_build_matcher", Matcher)
    prepared = engine.prepare(Reference(b"recording", "sample"))
    assert (prepared.id, prepared.method, prepared.similarity) == ("matched-1", "matching", 0.71)
    assert engine.prepare(Reference(b"recording", "sample")).id == "matched-1"
    assert Matcher.made == 1
    assert len(asked(engine)) == 1
    list(engine.synthesize(request(engine, "ciao", prepared=prepared)))
    assert asked(engine)[-1]["style"][0, 1] == 9.0


def test_warm_up_runs_the_model(engine: KokoroEngine) -> None:
    engine.warm_up()
    assert asked(engine)


@pytest.mark.parametrize("content", [b"", b"\0" * ROW_BYTES * 509])
def test_a_style_of_the_wrong_size_is_damage(models: Path, content: bytes) -> None:
    (models / "kokoro-voices" / "am_adam.bin").write_bytes(content)
    with pytest.raises(ModelDamaged, match="am_adam"):
        KokoroEngine(models, threads=2).load()


def test_missing_styles_are_damage(models: Path) -> None:
    (models / "kokoro-voices" / "af_heart.bin").unlink()
    with pytest.raises(ModelDamaged):
        KokoroEngine(models, threads=2).load()


def test_before_loading_and_after_closing_it_says_so(models: Path) -> None:
    engine = KokoroEngine(models, threads=2)
    assert engine.voices() == ()
    engine.close()
    with pytest.raises(NotReady):
        engine._infer("", np.zeros((510, 256), np.float32), 1.0)
