"""Answers whose engines fail, before and after their first sound."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from prometheus_client import REGISTRY

from shared.audio.pcm import AudioFormat, Pcm16, PcmStream
from shared.core.errors import (
    ClientGone,
    EngineFailure,
    InvalidRequest,
    MeshError,
    NotReady,
    Overloaded,
    RateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.engine_faults import ENGINE_FAULTS
from tests.unit.tts_service.conftest import AppFactory, dominant_hz, samples_of, service_of
from tts_service.engines.base import SynthesisRequest
from tts_service.engines.fake import FakeEngine, pitch_of
from tts_service.synthesis.job import SpeechJob

TEXT = "The first sentence. The second sentence. The third sentence."
SENTENCES = ["The first sentence.", "The second sentence.", "The third sentence."]


class Failing(FakeEngine):
    """Raises ``fault`` at the piece ``at``, after its first chunk where ``begun``."""

    def __init__(self, name: str, fault: Exception, at: int = 0, begun: bool = False) -> None:
        super().__init__(name)
        self._fault, self._at, self._begun = fault, at, begun

    def _render(self, text, request, speed):
        if request.progress.piece == self._at:
            if self._begun:
                yield from super()._render(text, request, speed)
            raise self._fault
        yield from super()._render(text, request, speed)


class Faster(FakeEngine):
    """An engine of another sample rate."""

    def synthesize(self, request: SynthesisRequest) -> PcmStream:
        stream = super().synthesize(request)
        return PcmStream(AudioFormat(48_000), map(_doubled, stream.chunks), engine=stream.engine)


def _doubled(chunk: Pcm16) -> Pcm16:
    return np.repeat(chunk, 2)


def spoken(pcm: Pcm16, rate: int = 24_000) -> list[str]:
    """The sentences that are heard in ``pcm``, by the pitch of their tones."""
    loud = np.abs(pcm.astype(np.int32)) > 300
    edges = np.flatnonzero(np.diff(np.concatenate(([0], loud, [0]))))
    # A tone crosses zero all the time: what is closer than 30 ms belongs together.
    starts, ends = edges[::2], edges[1::2]
    bounds = [0, *(i + 1 for i in range(len(ends) - 1) if starts[i + 1] - ends[i] > 0.03 * rate)]
    heard = []
    for first, last in pairwise([*bounds, len(starts)]):
        pitch = dominant_hz(pcm[starts[first] : ends[last - 1]], rate)
        heard += [s for s in SENTENCES if abs(pitch_of(s) - pitch) < 5] or [f"{pitch:.0f} Hz"]
    return heard


def read(stream: PcmStream) -> Pcm16:
    try:
        return np.concatenate(list(stream))
    finally:
        stream.close()


def counted(engine: str, to: str, reason: str) -> float:
    labels = {"from": engine, "to": to, "reason": reason}
    return REGISTRY.get_sample_value("voice_fallback_total", labels) or 0.0


@pytest.mark.parametrize("fault", ENGINE_FAULTS, ids=lambda fault: type(fault).__name__)
def test_a_failure_of_the_engine_is_answered_by_the_next_one(
    make_app: AppFactory, fault: MeshError
) -> None:
    before = counted("one", "two", fault.code)
    service = service_of(make_app(Failing("one", fault), FakeEngine("two")))
    stream = service.speak(SpeechJob(TEXT))
    assert stream.headers["X-Engine"] == "two"
    assert stream.headers["X-Fallback"] == f"one; reason={fault.code}"
    assert spoken(read(stream)) == SENTENCES
    assert counted("one", "two", fault.code) == before + 1


@pytest.mark.parametrize("fault", [InvalidRequest("no"), Overloaded("full")])
def test_what_is_wrong_with_the_request_or_full_is_not_passed_on(
    make_app: AppFactory, fault: MeshError
) -> None:
    service = service_of(make_app(Failing("one", fault), FakeEngine("two")))
    with pytest.raises(type(fault)):
        service.speak(SpeechJob(TEXT))


def test_every_hop_is_named_and_counted(make_app: AppFactory) -> None:
    engines = [
        FakeEngine("absent", load_error=NotReady("no weights")),
        Failing("one", UpstreamTimeout("f", code="no_answer")),
        Failing("two", RateLimited("f", code="http_429")),
        FakeEngine("three"),
    ]
    before = [
        counted("absent", "three", "not_loaded"),
        counted("one", "three", "no_answer"),
        counted("two", "three", "http_429"),
    ]
    stream = service_of(make_app(*engines)).speak(SpeechJob(TEXT))
    stream.close()
    assert stream.headers["X-Fallback"] == (
        "absent; reason=not_loaded, one; reason=no_answer, two; reason=http_429"
    )
    after = [
        counted("absent", "three", "not_loaded"),
        counted("one", "three", "no_answer"),
        counted("two", "three", "http_429"),
    ]
    assert after == [n + 1 for n in before]


def test_the_last_failure_is_the_answer_where_nobody_is_left(make_app: AppFactory) -> None:
    engines = [
        Failing("one", UpstreamUnavailable("f", code="cut")),
        Failing("two", RateLimited("later", retry_after=9)),
    ]
    with pytest.raises(RateLimited, match="later"):
        service_of(make_app(*engines)).speak(SpeechJob(TEXT))


@pytest.mark.parametrize("fault", [InvalidRequest("not by me"), Overloaded("full")])
def test_a_stand_in_that_cannot_do_it_is_passed_over(
    make_app: AppFactory, fault: MeshError
) -> None:
    down = UpstreamUnavailable("down", code="http_500")
    engines = [Failing("one", down), Failing("two", fault), FakeEngine("three")]
    stream = service_of(make_app(*engines)).speak(SpeechJob(TEXT))
    assert spoken(read(stream)) == SENTENCES
    assert stream.headers["X-Fallback"] == f"one; reason=http_500, two; reason={fault.code}"


def test_what_a_stand_in_cannot_do_is_not_held_against_the_caller(make_app: AppFactory) -> None:
    down = UpstreamUnavailable("down", code="http_500")
    engines = [Failing("one", down), Failing("two", InvalidRequest("not by me"))]
    with pytest.raises(UpstreamUnavailable, match="down"):
        service_of(make_app(*engines)).speak(SpeechJob(TEXT))


def test_a_listener_who_has_left_is_not_looked_after(make_app: AppFactory) -> None:
    spare = FakeEngine("two")
    with pytest.raises(ClientGone):
        service_of(make_app(Failing("one", ClientGone("left")), spare)).speak(SpeechJob(TEXT))
    stream = service_of(make_app(Failing("one", ClientGone("left"), at=1), spare)).speak(
        SpeechJob(TEXT)
    )
    with pytest.raises(ClientGone):
        read(stream)
    assert spare.rendered == 0


@pytest.mark.parametrize("at", [1, 2])
def test_the_next_engine_goes_on_where_the_first_one_stopped(make_app: AppFactory, at: int) -> None:
    fault = UpstreamUnavailable("f", code="cut")
    before = counted("one", "two", "cut")
    service = service_of(make_app(Failing("one", fault, at), FakeEngine("two")))
    stream = service.speak(SpeechJob(TEXT))
    assert stream.headers["X-Engine"] == "one"
    assert "X-Fallback" not in stream.headers
    pcm = read(stream)
    assert spoken(pcm) == SENTENCES
    assert stream.headers["X-Engine"] == "two"
    assert stream.headers["X-Fallback"] == "one; reason=cut"
    assert counted("one", "two", "cut") == before + 1
    # The seam is as any other join: the same pause as in an answer of one engine.
    assert pcm.size == pytest.approx(
        read(service_of(make_app()).speak(SpeechJob(TEXT))).size, abs=2
    )


def test_a_sentence_that_broke_off_is_spoken_anew(make_app: AppFactory) -> None:
    first = Failing("one", EngineFailure("f"), at=1, begun=True)
    stream = service_of(make_app(first, FakeEngine("two"))).speak(SpeechJob(TEXT))
    assert spoken(read(stream)) == [*SENTENCES[:2], *SENTENCES[1:]]


def test_two_engines_may_fail_in_one_answer(make_app: AppFactory) -> None:
    engines = [
        Failing("one", UpstreamUnavailable("f", code="cut"), at=1),
        Failing("two", UpstreamTimeout("f", code="stalled"), at=0),
        FakeEngine("three"),
    ]
    stream = service_of(make_app(*engines)).speak(SpeechJob(TEXT))
    assert spoken(read(stream)) == SENTENCES
    assert stream.headers["X-Fallback"] == "one; reason=cut, two; reason=stalled"


def test_the_answer_keeps_its_sample_rate(make_app: AppFactory) -> None:
    first = Failing("one", EngineFailure("f"), at=1)
    stream = service_of(make_app(first, Faster("two"))).speak(SpeechJob(TEXT))
    pcm = read(stream)
    assert stream.format.sample_rate == 24_000
    assert stream.headers["X-Sample-Rate"] == "24000"
    assert spoken(pcm) == SENTENCES


def test_an_engine_that_keeps_no_count_cannot_be_continued(make_app: AppFactory) -> None:
    class Uncounted(FakeEngine):
        def synthesize(self, request: SynthesisRequest) -> PcmStream:
            def chunks():
                yield np.ones(10, np.int16)
                raise EngineFailure("f")

            return PcmStream(AudioFormat(24_000), chunks(), engine="one")

    stream = service_of(make_app(Uncounted("one"), FakeEngine("two"))).speak(SpeechJob(TEXT))
    with pytest.raises(EngineFailure):
        read(stream)


def test_a_finished_file_is_one_voice_from_its_beginning(make_app: AppFactory) -> None:
    first = Failing("one", UpstreamUnavailable("f", code="cut"), at=2)
    client = make_app(first, FakeEngine("two")).test_client()
    answer = client.post("/api/tts/batch", json={"text": TEXT})
    assert answer.headers["X-Engine"] == "two"
    assert answer.headers["X-Voice"] == "two-en-us"
    assert answer.headers["X-Fallback"] == "one; reason=cut"
    assert spoken(samples_of(answer.data)) == SENTENCES


def test_a_finished_file_that_nobody_finishes_is_an_error(make_app: AppFactory) -> None:
    engines = [Failing(name, UpstreamUnavailable("f", code="cut"), at=1) for name in ("one", "two")]
    answer = make_app(*engines).test_client().post("/api/tts/batch", json={"text": TEXT})
    assert answer.status_code == 502
    assert answer.json["error"]["code"] == "cut"


def test_the_places_of_all_engines_are_free_afterwards(make_app: AppFactory) -> None:
    first = Failing("one", UpstreamUnavailable("f", code="cut"), at=1)
    first._spec = FakeEngine("one", max_concurrency=1).spec
    service = service_of(make_app(first, FakeEngine("two", max_concurrency=1), queue_limit=0))
    for _ in range(3):
        read(service.speak(SpeechJob(TEXT)))
        service.speak(SpeechJob(TEXT, whole=True)).close()
        stream = service.speak(SpeechJob(TEXT))
        for _, _ in zip(range(3), stream, strict=False):
            pass
        stream.close()


def test_closing_stops_the_engine_that_went_on(make_app: AppFactory) -> None:
    second = FakeEngine("two")
    stream = service_of(
        make_app(Failing("one", UpstreamUnavailable("f", code="cut"), at=1), second)
    ).speak(SpeechJob(TEXT))
    chunks = iter(stream)
    for _ in range(3):  # the first sentence, the pause, the second sentence
        next(chunks)
    stream.close()
    assert second.rendered == 1
    assert next(chunks, None) is None


def test_closing_before_the_first_sound_of_the_one_that_went_on_frees_its_place(
    make_app: AppFactory,
) -> None:
    first = Failing("one", UpstreamUnavailable("f", code="cut"), at=1)
    service = service_of(make_app(first, FakeEngine("two", max_concurrency=1), queue_limit=0))
    for _ in range(2):
        stream = service.speak(SpeechJob(TEXT))
        chunks = iter(stream)
        for _ in range(2):  # the first sentence, and the pause: the next engine has begun
            next(chunks)
        stream.close()


def test_server_sent_events_say_who_went_on(make_app: AppFactory) -> None:
    first = Failing("one", UpstreamUnavailable("f", code="cut"), at=1)
    client = make_app(first, FakeEngine("two")).test_client()
    request = {
        "input": TEXT,
        "voice": "one-en-us",
        "stream_format": "sse",
        "response_format": "pcm",
    }
    lines = client.post("/v1/audio/speech", json=request).text.strip().split("\n\n")
    done = json.loads(lines[-1].removeprefix("data: "))
    assert done["type"] == "speech.audio.done"
    assert done["fallback"] == "one; reason=cut"
    assert done["engine"] == "two"
