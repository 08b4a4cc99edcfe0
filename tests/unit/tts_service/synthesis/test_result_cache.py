"""Finished answers given again: what hits, what must miss, what is never kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from prometheus_client import REGISTRY

from shared.audio.pcm import AudioFormat, PcmStream
from shared.cache.memory import MemoryCache
from shared.core.errors import EngineFailure, InvalidRequest, NotReady
from tests.unit.tts_service.conftest import AppFactory, service_of
from tts_service.engines.base import Reference
from tts_service.engines.fake import FakeEngine
from tts_service.synthesis import result_cache
from tts_service.synthesis.job import SpeechJob
from tts_service.synthesis.result_cache import ResultCache
from tts_service.synthesis.service import SpeechService

MEMORY = {"cache_url": "memory:"}


class Tunable(FakeEngine):
    """Honours two parameters more, and says which weights it has."""

    def __init__(self, name: str = "fake", weights: str = "a", **options: Any) -> None:
        super().__init__(name, **options)
        import dataclasses

        self._spec = dataclasses.replace(
            self._spec, parameters=frozenset({"speed", "temperature", "seed"})
        )
        self.weights = weights

    def fingerprint(self) -> Mapping[str, object]:
        return {"weights": self.weights}


def events(event: str) -> float:
    labels = {"cache": "result", "event": event}
    return REGISTRY.get_sample_value("voice_cache_events_total", labels) or 0


def read(stream: PcmStream) -> np.ndarray:
    try:
        return np.concatenate(list(stream))
    finally:
        stream.close()


def settle(service: SpeechService) -> None:
    """Wait until what is finished has been stored."""
    assert service._results is not None
    waiting = service._results._finished
    until(lambda: waiting.unfinished_tasks == 0)


def until(condition: Any) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never happened")


@pytest.fixture
def engine() -> Tunable:
    return Tunable()


@pytest.fixture
def service(make_app: AppFactory, engine: Tunable) -> SpeechService:
    return service_of(make_app(engine, **MEMORY))


def speak(service: SpeechService, *args: Any, **facts: Any) -> tuple[np.ndarray, dict[str, str]]:
    stream = service.speak(SpeechJob(*args, **facts))
    samples = read(stream)
    settle(service)
    return samples, stream.headers


def test_it_is_off_unless_it_is_asked_for(make_app: AppFactory) -> None:
    engine = FakeEngine()
    service = service_of(make_app(engine))
    for number in range(1, 3):
        stream = service.speak(SpeechJob("Hello."))
        read(stream)
        assert "X-Cache" not in stream.headers
        assert engine.rendered == number


def test_the_same_again_is_the_same_sound_without_the_engine(
    service: SpeechService, engine: Tunable
) -> None:
    hits, misses = events("hit"), events("miss")
    first, made = speak(service, "Hello there. And again.")
    rendered = engine.rendered
    second, found = speak(service, "Hello there. And again.")
    np.testing.assert_array_equal(first, second)
    assert engine.rendered == rendered
    assert (made.pop("X-Cache"), found.pop("X-Cache")) == ("miss", "hit")
    assert made == found
    assert (events("hit") - hits, events("miss") - misses) == (1, 1)


def test_a_hit_needs_no_place_at_the_engine(make_app: AppFactory) -> None:
    service = service_of(make_app(FakeEngine(max_concurrency=1), queue_limit=0, **MEMORY))
    first, _ = speak(service, "Known.")
    busy = service.speak(SpeechJob("Other. And more."))
    found, headers = speak(service, "Known.")
    assert headers["X-Cache"] == "hit"
    np.testing.assert_array_equal(found, first)
    busy.close()


@pytest.mark.parametrize(
    "other",
    [
        {"text": "Hello you."},
        {"language": "es"},
        {"voice": "fake-es"},
        {"speed": 1.5},
        {"sample": Reference(b"another", "x")},
        {"parameters": {"temperature": 0.5}},
        {"parameters": {"seed": 7}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_whatever_changes_the_sound_is_another_answer(
    service: SpeechService, other: dict[str, Any]
) -> None:
    plain = {"text": "Hello there.", "sample": Reference(b"recording", "x")}
    if "voice" in other:
        del plain["sample"]
    assert speak(service, **plain)[1]["X-Cache"] == "miss"
    assert speak(service, **{**plain, **other})[1]["X-Cache"] == "miss"
    assert speak(service, **{**plain, **other})[1]["X-Cache"] == "hit"
    assert speak(service, **plain)[1]["X-Cache"] == "hit"


def test_what_does_not_change_the_sound_is_the_same_answer(service: SpeechService) -> None:
    sample = Reference(b"recording", "one name")
    speak(service, "Hello there.", sample=sample)
    _, headers = speak(
        service,
        "Hello   there.",
        sample=Reference(b"recording", "another name"),
        parameters={"emotion": "happy"},
    )
    assert headers["X-Cache"] == "hit"
    assert headers["X-Ignored-Parameters"] == "emotion"
    assert headers["X-Voice-Method"] == "matching"
    assert headers["X-Voice-Similarity"] == "0.500"


def test_other_weights_or_another_model_are_another_answer(
    service: SpeechService, engine: Tunable
) -> None:
    speak(service, "Hello.")
    engine.weights = "b"
    assert speak(service, "Hello.")[1]["X-Cache"] == "miss"
    import dataclasses

    engine._spec = dataclasses.replace(engine.spec, model="tones 2")
    assert speak(service, "Hello.")[1]["X-Cache"] == "miss"


def test_another_kind_of_device_is_another_answer_and_another_gpu_is_not(
    service: SpeechService, engine: Tunable
) -> None:
    speak(service, "Hello.")
    engine.device = "cuda:0"
    assert speak(service, "Hello.")[1]["X-Cache"] == "miss"
    engine.device = "cuda:1"
    assert speak(service, "Hello.")[1]["X-Cache"] == "hit"


def test_whole_files_and_streams_are_cut_differently(service: SpeechService) -> None:
    text = "This is a first sentence that is long enough, as sentences go, to be cut. And more."
    speak(service, text)
    assert speak(service, text, whole=True)[1]["X-Cache"] == "miss"
    assert speak(service, text, whole=True)[1]["X-Cache"] == "hit"


def test_containers_share_one_answer(make_app: AppFactory) -> None:
    app = make_app(FakeEngine(), **MEMORY)
    client = app.test_client()
    outcomes = []
    for container in ("wav", "mp3", "wav", "pcm"):
        answer = client.post("/synthesize", json={"text": "Hello.", "format": container})
        assert answer.status_code == 200
        assert answer.data
        outcomes.append(answer.headers["X-Cache"])
        settle(service_of(app))
    assert outcomes == ["miss", "hit", "hit", "hit"]
    assert 'cache="result",event="hit"' in client.get("/metrics").text


def test_an_abandoned_answer_is_not_kept(service: SpeechService) -> None:
    stream = service.speak(SpeechJob("One. Two. Three."))
    next(iter(stream))
    stream.close()
    assert speak(service, "One. Two. Three.")[1]["X-Cache"] == "miss"


def test_an_answer_that_nobody_read_to_its_end_is_not_kept(service: SpeechService) -> None:
    stream = service.speak(SpeechJob("One. Two."))
    chunks = iter(stream)
    next(chunks)
    next(chunks)
    stream.close()
    assert speak(service, "One. Two.")[1]["X-Cache"] == "miss"


def test_an_answer_that_broke_is_not_kept(make_app: AppFactory) -> None:
    engine = FakeEngine(fails_after=1)
    service = service_of(make_app(engine, **MEMORY))
    with pytest.raises(EngineFailure):
        read(service.speak(SpeechJob("One. Two.")))
    engine._fails_after = None
    assert speak(service, "One. Two.")[1]["X-Cache"] == "miss"


@pytest.mark.parametrize("fails_after", [0, 1])
@pytest.mark.parametrize("whole", [False, True])
def test_a_fallback_answer_is_not_kept(make_app: AppFactory, fails_after: int, whole: bool) -> None:
    broken = FakeEngine("broken", fails_after=fails_after)
    service = service_of(make_app(broken, FakeEngine("spare"), **MEMORY))
    job = {"text": "One. Two.", "whole": whole}
    assert "broken" in speak(service, **job)[1]["X-Fallback"]
    broken._fails_after = None
    _, headers = speak(service, **job)
    assert headers["X-Cache"] == "miss"
    assert headers["X-Engine"] == "broken"
    assert speak(service, **job)[1]["X-Cache"] == "hit"


def test_where_a_preferred_engine_is_missing_the_cache_is_not_asked(make_app: AppFactory) -> None:
    broken = FakeEngine("broken", load_error=NotReady("no weights"))
    service = service_of(make_app(broken, FakeEngine("spare"), **MEMORY))
    for _ in range(2):
        _, headers = speak(service, "Hello.")
        assert headers["X-Fallback"] == "broken; reason=not_loaded"
        assert "X-Cache" not in headers


def test_what_cannot_be_spoken_is_refused_as_without_a_cache(service: SpeechService) -> None:
    with pytest.raises(InvalidRequest) as caught:
        service.speak(SpeechJob("..."))
    assert caught.value.code == "unspeakable_text"


def test_an_answer_that_is_too_long_is_not_kept(
    service: SpeechService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result_cache, "LONGEST_BYTES", 10_000)
    for _ in range(2):
        assert speak(service, "A sentence of some length. And another one.")[1]["X-Cache"] == "miss"


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "short"])
def test_a_damaged_entry_is_made_again(
    service: SpeechService, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, _ = speak(service, "Hello.")
    store = service._results._cache  # type: ignore[union-attr]
    assert isinstance(store, MemoryCache)
    (key,) = store._entries
    data = bytearray(store.get(key) or b"")
    match damage:
        case "cut":
            data = data[: len(data) // 2]
        case "flipped":
            data[len(data) // 2] ^= 1
        case "foreign":
            body = b"other" * 10
            data = bytearray(body + result_cache._digest(body))
        case "short":
            data = data[:3]
    store.put(key, bytes(data))
    errors = events("error")
    second, headers = speak(service, "Hello.")
    assert headers["X-Cache"] == "miss"
    np.testing.assert_array_equal(first, second)
    assert events("error") == errors + 1
    assert "damaged" in caplog.text
    assert speak(service, "Hello.")[1]["X-Cache"] == "hit"


def test_a_store_that_is_slow_delays_no_answer(make_app: AppFactory) -> None:
    service = service_of(make_app(FakeEngine(), **MEMORY))
    results = service._results
    assert results is not None
    gate = threading.Event()

    class Slow(MemoryCache):
        def put(self, key: str, value: bytes) -> None:
            gate.wait(20)
            super().put(key, value)

    results._cache = Slow(1 << 20)
    dropped = events("dropped")
    for n in range(12):
        read(service.speak(SpeechJob(f"Text number {n}.")))
    # One is being stored, eight wait, the others are let go.
    assert events("dropped") - dropped in (3, 4)
    gate.set()
    settle(service)
    assert speak(service, "Text number 0.")[1]["X-Cache"] == "hit"


def test_one_that_cannot_be_stored_does_not_stop_the_next(
    service: SpeechService, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(result_cache, "_packed", lambda _: 1 / 0)
        speak(service, "Hello.")
    assert speak(service, "Hello.")[1]["X-Cache"] == "miss"
    assert speak(service, "Hello.")[1]["X-Cache"] == "hit"


def test_closing_stores_what_is_finished(make_app: AppFactory) -> None:
    app = make_app(FakeEngine(), cache_url="disk:")
    read(service_of(app).speak(SpeechJob("Kept.")))
    service_of(app).close()
    service_of(app).close()
    again = service_of(make_app(FakeEngine(), cache_url="disk:"))
    assert speak(again, "Kept.")[1]["X-Cache"] == "hit"
    again.close()


def test_closing_gives_up_on_a_store_that_hangs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(result_cache, "_CLOSE_S", 0.05)
    gate = threading.Event()

    class Hung(MemoryCache):
        def put(self, key: str, value: bytes) -> None:
            gate.wait(20)

    results = ResultCache(Hung(1 << 20))
    for n in range(result_cache._WAITING + 2):
        chunks = iter([np.ones(100, np.int16)])
        read(results.record(str(n), PcmStream(AudioFormat(24_000), chunks, "fake")))
        time.sleep(0.01)
    results.close()
    assert "too slow" in caplog.text
    gate.set()


def test_hits_have_metrics_of_their_own(service: SpeechService) -> None:
    def heard(engine: str) -> float:
        labels = {"engine": engine, "direction": "out"}
        return REGISTRY.get_sample_value("voice_audio_seconds_total", labels) or 0

    speak(service, "Hello.")
    before, cached = heard("fake"), heard("cache")
    speak(service, "Hello.")
    assert heard("fake") == before
    assert heard("cache") > cached


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_samples_come_back_exactly(rate: int) -> None:
    random = np.random.default_rng(rate)
    chunks = [random.integers(-32768, 32768, n).astype(np.int16) for n in (1, 4608, 10_000, 7)]
    packed = result_cache._packed(
        result_cache._Finished("key", "fake", rate, {"X-Voice": "é"}, chunks)
    )
    facts, flac = result_cache._unpacked(packed)
    assert facts == {"engine": "fake", "sample_rate": rate, "headers": {"X-Voice": "é"}}
    heard = list(result_cache._decoded(flac))
    assert {chunk.dtype for chunk in heard} == {np.dtype(np.int16)}
    np.testing.assert_array_equal(np.concatenate(heard), np.concatenate(chunks))


def test_code_and_libraries_are_part_of_the_key() -> None:
    facts = result_cache.build_facts()
    assert facts == result_cache.build_facts()
    libraries = facts["libraries"]
    assert isinstance(libraries, dict)
    assert libraries["hibari-tts"] == "0.2.1"
    assert libraries["nemo_toolkit"] is None or libraries["nemo_toolkit"]
