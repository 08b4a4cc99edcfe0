from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import REGISTRY

from shared.audio.pcm import PcmStream
from shared.core.errors import (
    EngineFailure,
    InvalidRequest,
    NotReady,
    Overloaded,
    TooLarge,
    UnknownModel,
    UnknownVoice,
)
from tests.unit.tts_service.conftest import AppFactory, dominant_hz, service_of
from tts_service.engines.base import Reference
from tts_service.engines.fake import FakeEngine, pitch_of
from tts_service.synthesis.job import SpeechJob


def read(stream: PcmStream) -> np.ndarray:
    try:
        return np.concatenate(list(stream))
    finally:
        stream.close()


def test_an_answer_says_what_made_it(make_app: AppFactory) -> None:
    stream = service_of(make_app()).speak(SpeechJob("Hello there."))
    samples = read(stream)
    assert stream.engine == "fake"
    assert stream.headers == {
        "X-Engine": "fake",
        "X-Voice": "fake-en-us",
        "X-Language": "en-us",
        "X-Sample-Rate": "24000",
    }
    assert dominant_hz(samples) == pytest.approx(pitch_of("Hello there."), abs=4)


def test_the_default_language_is_configured(make_app: AppFactory) -> None:
    stream = service_of(make_app(tts_language="es")).speak(SpeechJob("Hola."))
    assert stream.headers["X-Language"] == "es"
    stream.close()


def test_parameters_nobody_honours_are_named(make_app: AppFactory) -> None:
    job = SpeechJob("Hello.", parameters={"temperature": 0.5, "emotion": "happy", "b\r\nad": 1})
    stream = service_of(make_app()).speak(job)
    stream.close()
    assert stream.headers["X-Ignored-Parameters"] == "temperature, emotion"


def test_sound_comes_before_the_work_is_done(make_app: AppFactory) -> None:
    engine = FakeEngine()
    stream = service_of(make_app(engine)).speak(SpeechJob("One. Two. Three. Four."))
    assert engine.rendered == 1
    read(stream)
    assert engine.rendered == 4


def test_closing_stops_the_work_and_frees_the_place(make_app: AppFactory) -> None:
    engine = FakeEngine(max_concurrency=1)
    service = service_of(make_app(engine, queue_limit=0))
    first = service.speak(SpeechJob("One. Two. Three."))
    with pytest.raises(Overloaded) as caught:
        service.speak(SpeechJob("Other."))
    assert caught.value.retry_after is not None
    first.close()
    assert engine.rendered == 1
    read(service.speak(SpeechJob("Other.")))


def test_a_finished_answer_frees_its_place(make_app: AppFactory) -> None:
    service = service_of(make_app(FakeEngine(max_concurrency=1), queue_limit=0))
    for _ in range(3):
        for _chunk in service.speak(SpeechJob("One. Two.")):
            pass


def test_a_failed_answer_frees_its_place(make_app: AppFactory) -> None:
    service = service_of(make_app(FakeEngine(fails_after=0, max_concurrency=1), queue_limit=0))
    for _ in range(3):
        with pytest.raises(EngineFailure):
            service.speak(SpeechJob("One."))


def test_a_failing_engine_is_replaced_and_the_answer_says_so(make_app: AppFactory) -> None:
    labels = {"from": "broken", "to": "spare", "reason": "engine_failure"}
    before = REGISTRY.get_sample_value("voice_fallback_total", labels) or 0
    service = service_of(make_app(FakeEngine("broken", fails_after=0), FakeEngine("spare")))
    stream = service.speak(SpeechJob("Hello."))
    read(stream)
    assert stream.headers["X-Engine"] == "spare"
    assert stream.headers["X-Fallback"] == "broken; reason=engine_failure"
    assert REGISTRY.get_sample_value("voice_fallback_total", labels) == before + 1


def test_an_engine_that_did_not_load_is_replaced_and_the_answer_says_so(
    make_app: AppFactory,
) -> None:
    broken = FakeEngine("broken", load_error=NotReady("no weights"))
    service = service_of(make_app(broken, FakeEngine("spare")))
    stream = service.speak(SpeechJob("Hello."))
    stream.close()
    assert stream.headers["X-Fallback"] == "broken; reason=not_loaded"


def test_what_the_missing_engine_could_not_do_anyway_is_no_fallback(make_app: AppFactory) -> None:
    broken = FakeEngine("broken", languages=("ja",), load_error=NotReady("no weights"))
    service = service_of(make_app(broken, FakeEngine("spare")))
    stream = service.speak(SpeechJob("Hello."))
    stream.close()
    assert "X-Fallback" not in stream.headers


def test_what_only_the_missing_engine_could_do_says_what_it_lacks(make_app: AppFactory) -> None:
    broken = FakeEngine("broken", languages=("ja",), load_error=NotReady("run mesh download"))
    service = service_of(make_app(broken, FakeEngine("spare", cloning="none")))
    with pytest.raises(NotReady, match="run mesh download"):
        service.speak(SpeechJob("Hello.", language="ja"))
    with pytest.raises(InvalidRequest):
        service.speak(SpeechJob("Hello.", language="de"))
    with pytest.raises(UnknownVoice) as caught:
        service.speak(SpeechJob("Hello.", voice="broken-ja"))
    assert "broken" in caught.value.details["not_ready"]


def test_a_model_that_is_not_ready_or_could_not_be_built(make_app: AppFactory) -> None:
    def unbuilt() -> FakeEngine:
        raise NotReady("engine 'late' needs something")

    app = make_app(FakeEngine("spare", cloning="none"), more=[("late", unbuilt)])
    service = service_of(app)
    for job in (
        SpeechJob("Hi.", model="late"),
        SpeechJob("Hi.", language="ja"),
        SpeechJob("Hi.", sample=Reference(b"x", "sample")),
    ):
        with pytest.raises(NotReady):
            service.speak(job)
    with pytest.raises(InvalidRequest, match="sample"):
        service.speak(SpeechJob("Hi.", model="spare", sample=Reference(b"x", "sample")))


def test_a_language_that_lacks_its_pronunciation_says_what_to_install(
    make_app: AppFactory,
) -> None:
    class Hinting(FakeEngine):
        def language_hints(self) -> dict[str, str]:
            return {"hi": "install espeak-ng"}

    with pytest.raises(InvalidRequest, match="install espeak-ng"):
        service_of(make_app(Hinting())).speak(SpeechJob("Hi.", language="HI"))


def test_a_voice_of_its_own_is_no_fallback(make_app: AppFactory) -> None:
    broken = FakeEngine("broken", load_error=NotReady("no weights"))
    service = service_of(make_app(broken, FakeEngine("spare")))
    stream = service.speak(SpeechJob("Hello.", voice="spare-es"))
    stream.close()
    assert "X-Fallback" not in stream.headers


def test_failure_after_the_first_chunk_reaches_the_reader(make_app: AppFactory) -> None:
    stream = service_of(make_app(FakeEngine(fails_after=1))).speak(SpeechJob("One. Two."))
    chunks = iter(stream)
    next(chunks)
    with pytest.raises(EngineFailure):
        next(chunks)


@pytest.mark.parametrize("text", ["😀😀", "... !!! ---", " \n "])
def test_unspeakable_text(make_app: AppFactory, text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        service_of(make_app()).speak(SpeechJob(text))
    assert caught.value.code == "unspeakable_text"


def test_text_limit(make_app: AppFactory) -> None:
    service = service_of(make_app(max_text_chars=10))
    read(service.speak(SpeechJob("a" * 10)))
    with pytest.raises(TooLarge):
        service.speak(SpeechJob("a" * 11))


def test_unknown_names(make_app: AppFactory) -> None:
    service = service_of(make_app())
    with pytest.raises(UnknownVoice):
        service.speak(SpeechJob("Hi.", voice="nobody"))
    with pytest.raises(UnknownModel) as caught:
        service.speak(SpeechJob("Hi.", model="gpt-9"))
    assert "fake" in caught.value.details["available"]
    with pytest.raises(InvalidRequest):
        service.speak(SpeechJob("Hi.", language="tlh"))


def test_while_an_engine_loads_what_only_it_may_know_is_not_refused_for_good(
    make_app: AppFactory,
) -> None:
    release = threading.Event()

    class Slow(FakeEngine):
        def load(self) -> None:
            release.wait(10)

    app = make_app(FakeEngine("quick"), Slow("slow", languages=("ja",)), wait=False)
    service = service_of(app)
    try:
        for _ in range(200):
            try:
                service.ready_engines()
                break
            except NotReady:
                threading.Event().wait(0.01)
        for job in (SpeechJob("Hi.", voice="slow-ja"), SpeechJob("Hi.", language="ja")):
            with pytest.raises(NotReady) as caught:
                service.speak(job)
            assert caught.value.retry_after is not None
        with pytest.raises(NotReady):
            service.speak(SpeechJob("Hi.", model="slow"))
    finally:
        release.set()
    assert service.host.wait_settled(10)
    service.speak(SpeechJob("Hi.", voice="slow-ja")).close()


def test_a_sample_is_followed(make_app: AppFactory) -> None:
    job = SpeechJob("Hello.", sample=Reference(b"recording", "sample"))
    stream = service_of(make_app()).speak(job)
    stream.close()
    assert stream.headers["X-Voice"].startswith("matched-")
    assert stream.headers["X-Voice-Method"] == "matching"
    assert stream.headers["X-Voice-Similarity"] == "0.500"


def test_a_sample_passes_by_engines_that_cannot_follow_it(make_app: AppFactory) -> None:
    service = service_of(make_app(FakeEngine("fixed", cloning="none"), FakeEngine("able")))
    stream = service.speak(SpeechJob("Hello.", sample=Reference(b"recording", "sample")))
    stream.close()
    assert stream.headers["X-Engine"] == "able"


def test_a_voice_name_may_be_a_recording(make_app: AppFactory, voices) -> None:
    (voices / "man.mp3").write_bytes(b"recording")
    service = service_of(make_app())
    for job in (SpeechJob("Hi.", voice="man"), SpeechJob("Hi.", sample_name="man.wav")):
        stream = service.speak(job)
        stream.close()
        assert stream.headers["X-Voice-Method"] == "matching"


def test_a_voice_name_never_leaves_the_folder(make_app: AppFactory, voices) -> None:
    (voices.parent / "secret.wav").write_bytes(b"x")
    with pytest.raises(UnknownVoice):
        service_of(make_app()).speak(SpeechJob("Hi.", voice="../secret.wav"))


def test_parallel_answers_are_each_their_own(make_app: AppFactory) -> None:
    service = service_of(make_app())
    texts = [f"Sentence number {n} of many." for n in range(16)]
    heard: dict[str, float] = {}

    def ask(text: str) -> None:
        heard[text] = dominant_hz(read(service.speak(SpeechJob(text, whole=True))))

    threads = [threading.Thread(target=ask, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {t: round(h) for t, h in heard.items()} == {
        t: pytest.approx(pitch_of(service_text(t)), abs=3) for t in texts
    }


def service_text(text: str) -> str:
    """What the fake engine is given: numbers are words by then."""
    from tts_service.text.normalize import normalize

    return normalize(text, "en-us")


def test_the_first_sound_is_timed_once_for_each_answer(make_app: AppFactory) -> None:
    def timed() -> float:
        labels = {"engine": "fake"}
        return REGISTRY.get_sample_value("voice_time_to_first_audio_seconds_count", labels) or 0

    service = service_of(make_app())
    before = timed()
    for number in range(1, 3):
        read(service.speak(SpeechJob("One sentence here. Another one here. And a third.")))
        assert timed() == before + number


def test_a_default_voice_is_prepared_in_its_turn(make_app: AppFactory, tmp_path: Path) -> None:
    (tmp_path / "man.wav").write_bytes(b"recording")
    engine = FakeEngine(max_concurrency=1)
    service = service_of(make_app(engine, queue_limit=0, voices_dirs=str(tmp_path)))
    speaking = service.speak(SpeechJob("One sentence. And another."))
    with pytest.raises(Overloaded):
        service.configure(language=None, sample_name="man.wav", keep_sample=False)
    speaking.close()
    service.configure(language=None, sample_name="man.wav", keep_sample=False)
    assert service.defaults.voice_sample == "man.wav"
