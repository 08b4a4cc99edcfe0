"""What every speech engine promises, asked of each one. Engines without weights skip visibly."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from flask.testing import FlaskClient

from shared.audio.pcm import PcmStream
from shared.core.errors import InvalidRequest
from tests.fish_server import KEY, FishServer
from tts_service.app import create_app
from tts_service.engines import REGISTRY
from tts_service.engines.base import Piece, Reference, SynthesisRequest, TtsEngine
from tts_service.engines.fake import FakeEngine
from tts_service.settings import TtsSettings
from tts_service.sound.loudness import integrated_lufs

BATCHING = frozenset({"nemo"})
SENTENCES = (
    "The quick brown fox jumps over the lazy dog near the quiet river bank.",
    "A second sentence follows, and it is a little longer than the first one was.",
)


@pytest.fixture(
    scope="module",
    params=[
        "fake",
        "hibari",
        pytest.param("kokoro", marks=pytest.mark.models),
        "fish-api",
        "fish-local",
        pytest.param("nemo", marks=pytest.mark.engines),
        pytest.param("xtts", marks=pytest.mark.engines),
    ],
)
def engine(request: pytest.FixtureRequest) -> Iterator[TtsEngine]:
    if request.param == "fake":
        built: TtsEngine = FakeEngine()
    else:
        if missing := REGISTRY.missing(request.param):
            pytest.skip(f"not installed: {', '.join(missing)}")
        # hibari's weights are in its package.
        home = request.getfixturevalue("tmp_path_factory").mktemp("home")
        values: dict[str, Any] = {"voicemesh_home": home}
        if request.param == "kokoro":
            values["voicemesh_home"] = request.getfixturevalue("models_dir").parent
        if request.param.startswith("fish"):
            kind = "api" if request.param == "fish-api" else "local"
            server = FishServer(kind)
            request.addfinalizer(server.close)
            values |= {"fish_api_key": KEY, f"fish_{kind}_url": server.url}
        if request.param == "nemo":
            values |= request.getfixturevalue("tiny_nemo_tts")
        if request.param == "xtts":
            values |= request.getfixturevalue("tiny_xtts")
        built = REGISTRY.build(request.param, TtsSettings(_env_file=None, **values))
    assert built.spec.name == request.param
    built.load()
    built.warm_up()
    yield built
    built.close()
    built.close()


class Loaded:
    """A loaded engine as a host takes it: loading it again and closing it are the test's own."""

    def __init__(self, engine: TtsEngine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def load(self) -> None: ...

    def warm_up(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def client(engine: TtsEngine, tmp_path: Path) -> Iterator[FlaskClient]:
    """The speech service over the engine alone."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    name = engine.spec.name
    settings = TtsSettings(_env_file=None, voicemesh_home=tmp_path, tts_engines=(name,))
    app = create_app(settings, [(name, lambda: cast(TtsEngine, Loaded(engine)))], lambda _: None)
    host = app.extensions["tts_service"].host
    assert host.wait_settled(10)
    yield app.test_client()
    host.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def english(engine: TtsEngine, *texts: str, speed: float = 1.0) -> SynthesisRequest:
    voice = next(v for v in engine.voices() if v.language in ("en-us", "en"))
    pieces = tuple(Piece(text, 0.3) for text in texts)
    return SynthesisRequest(pieces=pieces, language=voice.language, voice=voice, speed=speed)


def read(stream: PcmStream) -> np.ndarray:
    try:
        return np.concatenate(list(stream))
    finally:
        stream.close()


def same(engine: TtsEngine, one: np.ndarray, two: np.ndarray) -> bool:
    """Whether two runs said the same: to the sample, but for padding where runs share a batch."""
    if engine.spec.name not in BATCHING:
        return np.array_equal(one, two)
    # A duration on the edge of rounding may flip when the batch is padded otherwise.
    if abs(one.size - two.size) > 3 * 256:
        return False
    shared = min(one.size, two.size)
    return float(np.corrcoef(one[:shared], two[:shared])[0, 1]) > 0.9


def test_voices_fit_the_spec(engine: TtsEngine) -> None:
    voices = engine.voices()
    assert voices
    assert len({v.id for v in voices}) == len(voices)
    for voice in voices:
        assert voice.language in voice.languages
        assert voice.languages <= engine.spec.languages


def test_chunks_are_mono_int16_of_the_promised_rate(engine: TtsEngine) -> None:
    stream = engine.synthesize(english(engine, *SENTENCES))
    assert stream.engine == engine.spec.name
    assert stream.format.sample_rate == engine.spec.sample_rate
    assert stream.format.channels == 1
    chunks = list(stream)
    assert len(chunks) >= len(SENTENCES)
    assert all(c.dtype == np.int16 and c.ndim == 1 and c.size for c in chunks)


def test_loudness_and_peak(engine: TtsEngine) -> None:
    samples = read(engine.synthesize(english(engine, *SENTENCES))) / np.float32(32768)
    assert integrated_lufs(samples, engine.spec.sample_rate) == pytest.approx(-23, abs=3)
    assert np.abs(samples).max() <= 10 ** (-1 / 20) + 1e-4


def test_joins_do_not_click(engine: TtsEngine) -> None:
    whole = read(engine.synthesize(english(engine, *SENTENCES)))
    quiet = np.flatnonzero(np.diff(np.flatnonzero(whole)) > 0.29 * engine.spec.sample_rate)
    sounding = np.flatnonzero(whole)
    # The silence of a join is digital: nothing of the model's noise floor is cut off in it.
    assert quiet.size == 1
    before, after = sounding[quiet[0]], sounding[quiet[0] + 1]
    for edge in (sounding[0], before, after, sounding[-1]):
        assert abs(int(whole[edge])) <= 8


def test_speed(engine: TtsEngine) -> None:
    sizes = [
        read(engine.synthesize(english(engine, SENTENCES[0], speed=s))).size
        for s in (0.25, 0.5, 1.0, 1.5, 2.0, 4.0)
    ]
    assert all(slower > 1.1 * faster for slower, faster in pairwise(sizes))
    assert sizes[2] == pytest.approx(sizes[4] * 2, rel=0.25)


def test_the_same_text_is_the_same_audio(engine: TtsEngine) -> None:
    runs = [read(engine.synthesize(english(engine, SENTENCES[0]))) for _ in range(2)]
    assert np.array_equal(*runs)


def test_parallel_requests_do_not_mix(engine: TtsEngine) -> None:
    texts = ["One short text.", "Another one, which is not the same.", "And a third."]
    alone = {text: read(engine.synthesize(english(engine, text))) for text in texts}
    together: dict[str, np.ndarray] = {}

    def speak(text: str) -> None:
        together[text] = read(engine.synthesize(english(engine, text)))

    threads = [threading.Thread(target=speak, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(engine, alone[text], together[text]) for text in texts)
    assert not any(same(engine, alone[text], together[texts[0]]) for text in texts[1:])


def test_work_happens_as_chunks_are_taken_and_closing_stops_it(engine: TtsEngine) -> None:
    never_started = engine.synthesize(english(engine, *SENTENCES))
    never_started.close()
    stream = engine.synthesize(english(engine, *SENTENCES * 200))
    assert next(iter(stream)).size
    stream.close()
    stream.close()
    assert next(iter(stream), None) is None


def test_closing_early_leaves_the_engine_free_and_as_it_was(engine: TtsEngine) -> None:
    before = read(engine.synthesize(english(engine, SENTENCES[0])))
    for _ in range(3):
        stream = engine.synthesize(english(engine, *SENTENCES * 20))
        next(iter(stream))
        stream.close()
    assert same(engine, read(engine.synthesize(english(engine, SENTENCES[0]))), before)


@pytest.mark.parametrize(
    "texts",
    [("",), ("  \n\t ",), ("...", "?!"), ("", " ")],
    ids=["empty", "blank", "marks", "both"],
)
def test_nothing_to_say_is_refused(engine: TtsEngine, texts: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest):
        next(iter(engine.synthesize(english(engine, *texts))))


class TestServed:
    """The engine behind its service, which turns down what the engine is never asked for."""

    def test_it_speaks(self, client: FlaskClient, engine: TtsEngine) -> None:
        answer = client.post("/synthesize", json={"text": SENTENCES[0], "language": "en"})
        assert answer.status_code == 200
        assert answer.headers["X-Engine"] == engine.spec.name
        assert len(answer.data) > 0.5 * 2 * engine.spec.sample_rate

    @pytest.mark.parametrize("text", ["", " \n\t ", "...", "\u200b"])
    def test_nothing_to_say_is_refused(self, client: FlaskClient, text: str) -> None:
        answer = client.post("/synthesize", json={"text": text, "language": "en"})
        assert answer.status_code == 422
        assert answer.json["error"]["param"] == "text"

    def test_an_unsupported_language_is_refused_with_those_there_are(
        self, client: FlaskClient, engine: TtsEngine
    ) -> None:
        answer = client.post("/synthesize", json={"text": SENTENCES[0], "language": "tlh"})
        assert answer.status_code == 422
        assert answer.json["error"]["code"] == "unknown_language"
        assert set(answer.json["error"]["available"]) == engine.spec.languages

    def test_an_unknown_voice_is_refused_with_those_there_are(
        self, client: FlaskClient, engine: TtsEngine
    ) -> None:
        answer = client.post("/synthesize", json={"text": SENTENCES[0], "voice": "nobody"})
        assert answer.status_code == 404
        assert answer.json["error"]["code"] == "unknown_voice"
        assert {v.id for v in engine.voices()} <= set(answer.json["error"]["available"])


def test_a_silent_piece_between_others_is_passed_over(engine: TtsEngine) -> None:
    with_it = read(engine.synthesize(english(engine, "One.", "...", "Two.")))
    without = read(engine.synthesize(english(engine, "One.", "Two.")))
    assert same(engine, with_it, without)


def test_a_very_long_sentence_is_spoken_whole(engine: TtsEngine) -> None:
    clause = "and then another clause went on and on about the weather of that day, "
    short = read(engine.synthesize(english(engine, clause * 2))).size
    long = read(engine.synthesize(english(engine, clause * 10))).size
    if engine.spec.name == "xtts":
        # The tiny model speaks every part for the same time: 140 characters are one, 700 are four.
        assert long == pytest.approx(4 * short, rel=0.05)
    else:
        assert long == pytest.approx(5 * short, rel=0.15)


def test_a_reference_is_refused_by_engines_with_fixed_voices(engine: TtsEngine) -> None:
    if engine.spec.cloning != "none":
        pytest.skip(f"{engine.spec.name} does {engine.spec.cloning}")
    with pytest.raises(InvalidRequest):
        engine.prepare(Reference(b"", "sample"))


def test_loading_twice_is_loading_anew(engine: TtsEngine) -> None:
    before = read(engine.synthesize(english(engine, SENTENCES[0])))
    engine.load()
    engine.warm_up()
    assert same(engine, read(engine.synthesize(english(engine, SENTENCES[0]))), before)
