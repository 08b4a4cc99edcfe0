"""Several recognisers in order of preference: which one answers, and what replaces it."""

import io
import json
import logging
import tracemalloc
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from shared.core.errors import (
    EngineFailure,
    InvalidRequest,
    NotReady,
    Overloaded,
    UpstreamTimeout,
)
from shared.engines.engine_host import EngineHost
from shared.engines.registry import remembering
from stt_service.engines.base import Options
from stt_service.engines.fake import FakeStt
from stt_service.recognition.service import Job, TranscriptionService
from tests.engine_faults import ENGINE_FAULTS
from tests.unit.stt_service.conftest import wav

SPEECH = wav((12.0, 0.5))
HEARD = "heard 5.06 s heard 5.06 s heard 1.89 s"
"""Blocks end where the decoder's frames do."""


class Recogniser(FakeStt):
    """A fake of its own name.

    Args:
        name: of the engine; its model is ``<name>-model``.
        languages: it declares; none = any.
        fault: raised where the segment ``at`` would come.
        at: see above.
        translates: whether it declares the task.
        load_error: raised while loading.
    """

    def __init__(
        self, name, languages=("en",), *, fault=None, at=0, translates=True, load_error=None
    ):
        super().__init__()
        parameters = FakeStt.spec.parameters - (set() if translates else {"task"})
        self.spec = replace(
            FakeStt.spec,
            name=name,
            model=f"{name}-model",
            languages=frozenset(languages),
            parameters=parameters,
        )
        self.fault, self.at, self.load_error = fault, at, load_error
        self.asked = 0

    def load(self):
        if self.load_error is not None:
            raise self.load_error

    def _segments(self, blocks, options, made):
        self.asked += 1
        for number, segment in enumerate(super()._segments(blocks, options, made)):
            if self.fault is not None and number == self.at:
                raise self.fault
            yield segment


def transcribe(client, data=SPEECH, **fields):
    return client.post("/transcribe", data={"audio_file": (io.BytesIO(data), "a.wav"), **fields})


def openai(client, data=SPEECH, path="transcriptions", **fields):
    return client.post(f"/v1/audio/{path}", data={"file": (io.BytesIO(data), "a.wav"), **fields})


def events(answer):
    lines = answer.get_data(as_text=True).split("\n\n")
    return [line.removeprefix("data: ") for line in lines if line]


def counted(engine, to, reason):
    labels = {"from": engine, "to": to, "reason": reason}
    return REGISTRY.get_sample_value("voice_fallback_total", labels) or 0.0


@pytest.fixture
def logged():
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logger = logging.getLogger("shared.engines.fallback")
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    ("language", "engine"),
    [(None, "one"), ("auto", "one"), ("en-GB", "one"), ("pt", "two"), ("Spanish", "two")],
)
def test_the_first_engine_that_knows_the_language_answers(make_client, language, engine):
    client = make_client(Recogniser("one"), Recogniser("two", ("en", "es", "pt")))
    answer = transcribe(client, **({"language": language} if language else {}))
    assert answer.status_code == 200
    assert answer.headers["X-Engine"] == answer.json["engine"] == engine
    assert "X-Fallback" not in answer.headers
    assert "fallback" not in answer.json


def test_an_engine_that_declares_no_languages_knows_any(make_client):
    client = make_client(Recogniser("one"), Recogniser("any", ()))
    assert transcribe(client, language="cy").headers["X-Engine"] == "any"


def test_a_language_that_none_knows_is_refused_with_those_of_all(make_client):
    client = make_client(Recogniser("one"), Recogniser("two", ("es", "pt")))
    answer = transcribe(client, language="tlh")
    assert answer.status_code == 422
    assert answer.json["error"]["code"] == "unknown_language"
    assert answer.json["error"]["available"] == ["en", "es", "pt"]


def test_a_language_of_an_engine_that_is_not_ready_is_answered_with_its_reason(make_client):
    broken = Recogniser("two", ("pt",), load_error=NotReady("no weights"))
    answer = transcribe(make_client(Recogniser("one"), broken), language="pt")
    assert answer.status_code == 503
    assert "two" in answer.json["error"]["message"]
    assert "no weights" in answer.json["error"]["message"]
    assert int(answer.headers["Retry-After"]) >= 1


def test_an_engine_that_is_not_ready_is_named_where_it_would_have_answered(make_client):
    broken = Recogniser("absent", ("en",), load_error=NotReady("no weights"))
    client = make_client(broken, Recogniser("ready", ("en", "pt")))
    before = counted("absent", "ready", "not_loaded")
    answer = transcribe(client, language="en")
    assert answer.headers["X-Engine"] == "ready"
    assert answer.headers["X-Fallback"] == "absent; reason=not_loaded"
    assert answer.json["fallback"] == "absent; reason=not_loaded"
    assert counted("absent", "ready", "not_loaded") == before + 1
    assert "X-Fallback" not in transcribe(client, language="pt").headers


def test_translations_go_to_an_engine_that_can(make_client):
    client = make_client(Recogniser("one", translates=False), Recogniser("two"))
    assert openai(client).headers["X-Engine"] == "one"
    assert openai(client, path="translations").headers["X-Engine"] == "two"
    assert transcribe(client, task="translate").headers["X-Engine"] == "two"


def test_translations_that_none_can_make_are_refused(make_client):
    client = make_client(Recogniser("one", ("en", "pt"), translates=False))
    answer = openai(client, path="translations")
    assert answer.status_code == 422
    assert answer.json["error"]["param"] == "task"
    two = make_client(Recogniser("one", ("pt",), translates=False), Recogniser("two", ("es",)))
    answer = transcribe(two, task="translate", language="pt")
    assert answer.status_code == 422
    assert answer.json["error"]["available"] == ["es"]


@pytest.mark.parametrize("model", ["two", "TWO", "two-model", "org/two-model"])
def test_a_model_chooses_its_engine_and_no_other_stands_in(make_client, model):
    client = make_client(Recogniser("one"), Recogniser("two"))
    answer = openai(client, model=model)
    assert answer.headers["X-Engine"] == "two"
    assert "X-Fallback" not in answer.headers
    failing = make_client(Recogniser("one"), Recogniser("two", fault=EngineFailure("f")))
    assert openai(failing, model=model).status_code == 500


def test_a_model_does_not_learn_languages_from_others(make_client):
    client = make_client(Recogniser("one"), Recogniser("two", ("es", "pt")))
    answer = openai(client, model="one", language="pt")
    assert answer.status_code == 422
    assert answer.json["error"]["available"] == ["en"]


@pytest.mark.parametrize("model", ["two", "two-model"])
def test_a_model_that_is_not_ready_is_not_an_unknown_one(make_client, model):
    client = make_client(Recogniser("one"), Recogniser("two", load_error=NotReady("no weights")))
    answer = openai(client, model=model)
    assert answer.status_code == 503
    assert "no weights" in answer.json["error"]["message"]
    unknown = openai(client, model="three")
    assert unknown.status_code == 404
    assert unknown.json["error"]["available"] == ["one-model", "whisper-1"]
    assert unknown.json["error"]["not_ready"]["two"]["reason"] == "no weights"


@pytest.mark.parametrize("fault", ENGINE_FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("at", [0, 2])
def test_an_engine_that_fails_is_replaced_from_the_beginning(make_client, logged, fault, at):
    before = counted("one", "two", fault.code)
    client = make_client(Recogniser("one", fault=fault, at=at), Recogniser("two"))
    answer = transcribe(client)
    assert answer.status_code == 200
    assert answer.json["text"] == HEARD
    assert answer.json["duration"] == 12.0
    assert answer.headers["X-Engine"] == "two"
    assert answer.headers["X-Fallback"] == f"one; reason={fault.code}"
    assert counted("one", "two", fault.code) == before + 1
    assert [(r.engine, r.reason, r.next) for r in logged] == [("one", fault.code, "two")]


def test_every_hop_is_named(make_client):
    client = make_client(
        Recogniser("absent", load_error=NotReady("no weights")),
        Recogniser("one", fault=EngineFailure("f")),
        Recogniser("two", fault=Overloaded("full"), at=1),
        Recogniser("three"),
    )
    answer = openai(client, response_format="text")
    assert answer.get_data(as_text=True) == HEARD + "\n"
    assert answer.headers["X-Engine"] == "three"
    assert answer.headers["X-Fallback"] == (
        "absent; reason=not_loaded, one; reason=engine_failure, two; reason=overloaded"
    )


@pytest.mark.parametrize("fault", [InvalidRequest("no"), Overloaded("full")])
def test_what_is_wrong_with_the_request_or_full_is_not_passed_on(make_client, fault):
    other = Recogniser("two")
    answer = transcribe(make_client(Recogniser("one", fault=fault), other))
    assert answer.status_code == fault.status
    assert other.asked == 0


def test_a_recording_that_is_no_audio_is_nobodys_fallback(make_client):
    engines = Recogniser("one"), Recogniser("two")
    assert transcribe(make_client(*engines), b"no audio at all" * 20).status_code == 415
    assert [engine.asked for engine in engines] == [0, 0]


def test_the_last_failure_is_the_answer_where_all_fail(make_client):
    client = make_client(
        Recogniser("one", fault=EngineFailure("f")),
        Recogniser("two", fault=UpstreamTimeout("f")),
        queue_limit=0,
    )
    assert transcribe(client).status_code == 504
    # Nobody holds a place any more, or this would be 503.
    assert transcribe(client).status_code == 504


def test_a_stream_is_answered_by_the_next_engine_before_its_first_segment(make_client):
    client = make_client(Recogniser("one", fault=EngineFailure("f")), Recogniser("two"))
    answer = openai(client, stream="true")
    assert answer.headers["X-Engine"] == "two"
    assert answer.headers["X-Fallback"] == "one; reason=engine_failure"
    found = events(answer)
    assert json.loads(found[-2])["text"] == HEARD
    assert found[-1] == "[DONE]"


def test_a_stream_whose_engine_fails_after_its_first_segment_ends_with_an_error(make_client):
    other = Recogniser("two")
    client = make_client(Recogniser("one", fault=EngineFailure("f"), at=1), other, queue_limit=0)
    answer = openai(client, stream="true")
    assert "X-Fallback" not in answer.headers
    found = events(answer)
    assert [json.loads(event).get("type") for event in found[:-1]] == ["transcript.text.delta"]
    assert json.loads(found[-1])["error"]["code"] == "engine_failure"
    assert other.asked == 0


def test_channels_fall_back_together(make_client):
    client = make_client(Recogniser("one", fault=EngineFailure("f"), at=1), Recogniser("two"))
    answer = transcribe(client, channels="separate")
    assert answer.json["channels"][0]["text"] == HEARD
    assert answer.headers["X-Engine"] == "two"
    assert answer.headers["X-Fallback"] == "one; reason=engine_failure"


@pytest.mark.parametrize("separate", [False, True])
def test_a_long_recording_is_read_anew_and_not_kept(separate):
    minutes = 5
    engines = Recogniser("one", fault=EngineFailure("f"), at=59), Recogniser("two")
    builders, built = remembering([(e.spec.name, lambda e=e: e) for e in engines])
    host = EngineHost(builders, queue_limit=1, queue_timeout_s=1.0)
    host.start()
    assert host.wait_settled(5)
    service = TranscriptionService(host, built, 3600)
    source = io.BytesIO(wav((minutes * 60.0, 0.5)))
    tracemalloc.start()
    try:
        job = Job(source, Options())
        (transcript,) = service.transcribe_channels(job) if separate else [service.transcribe(job)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        host.close()
    assert transcript.engine == "two"
    assert transcript.duration == minutes * 60
    assert transcript.fallback == "one; reason=engine_failure"
    # Its samples would take 19 MB.
    assert peak < 6e6
