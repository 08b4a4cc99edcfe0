"""The recognition service's HTTP: both dialects, their formats and their errors."""

import io
import json

import pytest
from prometheus_client import REGISTRY

from stt_service.engines.fake import FakeStt
from tests.unit.stt_service.conftest import wav

SPEECH = wav((1.0, 0.5))


def upload(data=SPEECH, field="audio_file", name="a.wav", **fields):
    return {field: (io.BytesIO(data), name), **fields}


def test_transcribe_answers_the_text_first(make_client):
    answer = make_client().post("/transcribe", data=upload())
    assert answer.status_code == 200
    assert next(iter(answer.json)) == "text"
    assert answer.json["text"] == "heard 1.00 s"
    assert answer.json["language"] == "en"
    assert answer.headers["X-Engine"] == "fake"
    assert answer.headers["X-Audio-Duration"] == "1.000"
    assert "segments" not in answer.json


@pytest.mark.parametrize(("fields", "transcripts"), [({}, 1), ({"channels": "separate"}, 2)])
def test_the_sound_that_was_read_is_counted(make_client, fields, transcripts):
    def counts():
        sample = REGISTRY.get_sample_value
        return [
            sample("voice_audio_seconds_total", {"engine": "fake", "direction": "in"}) or 0,
            sample("voice_real_time_factor_count", {"engine": "fake"}) or 0,
            sample("voice_stage_latency_seconds_count", {"stage": "stt"}) or 0,
            sample("voice_audio_decode_errors_total"),
        ]

    client, before = make_client(), counts()
    client.post("/transcribe", data=upload(wav((2.5, 0.5), channels=2), **fields))
    client.post("/transcribe", data=upload(b"no audio" * 100, **fields))
    more = [now - then for now, then in zip(counts(), before, strict=True)]
    assert more == pytest.approx([2.5 * transcripts, transcripts, transcripts, 1])


@pytest.mark.parametrize("path", ["/transcribe", "/v1/audio/transcriptions"])
def test_fields_that_are_left_empty_are_not_given(make_client, path):
    answer = make_client().post(path, data=upload(field="file", language="", prompt=" "))
    assert answer.status_code == 200
    assert answer.json["text"] == "heard 1.00 s"


def test_silence_gives_an_empty_text_and_no_language(make_client):
    answer = make_client().post("/transcribe", data=upload(wav((1.0, 0.0))))
    assert answer.json["text"] == ""
    assert answer.json["language"] is None


@pytest.mark.parametrize("field", ["audio_file", "file", "audio"])
def test_names_of_the_field(make_client, field):
    assert make_client().post("/transcribe", data=upload(field=field)).json["text"]


def test_the_body_itself_may_be_the_recording(make_client):
    client = make_client()
    answer = client.post("/transcribe?timestamps=word", data=SPEECH, content_type="audio/wav")
    assert answer.json["segments"][0]["start"] == 0.0
    assert [w["word"] for w in answer.json["words"]] == ["heard", "1.00", "s"]


def test_recordings_without_a_header_need_their_format(make_client):
    client = make_client()
    raw = SPEECH[44:]
    told = client.post("/transcribe", data=raw, content_type="audio/L16;rate=16000")
    assert told.json["duration"] == 1.0
    fields = client.post(
        "/transcribe", data=upload(raw, name="a.pcm", encoding="s16le", sample_rate="8000")
    )
    assert fields.json["duration"] == 2.0
    assert client.post("/transcribe", data=upload(raw, name="a.pcm")).status_code == 415
    half = client.post("/transcribe", data=upload(raw, encoding="s16le"))
    assert half.status_code == 422
    assert half.json["error"]["param"] == "sample_rate"


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "empty_audio"),
        (b"plain text, no audio at all" * 20, 415, "unsupported_media"),
        (SPEECH[:20], 415, None),
    ],
)
def test_what_is_no_audio(make_client, data, status, code):
    client = make_client()
    answer = client.post("/transcribe", data=upload(data))
    assert answer.status_code == status
    if code:
        assert answer.json["error"]["code"] == code
    assert client.post("/transcribe", data=upload()).status_code == 200


def test_no_recording_at_all(make_client):
    client = make_client()
    assert client.post("/transcribe", data={"x": "y"}).status_code == 422
    missing = client.post("/transcribe", data={"sound": (io.BytesIO(SPEECH), "a.wav")})
    assert missing.json["error"]["param"] == "audio_file"
    assert "sound" in missing.json["error"]["message"]


def test_a_recording_that_was_cut_is_said_to_be(make_client):
    cut = wav((2.0, 0.5))[:40_000]
    answer = make_client().post("/transcribe", data=upload(cut))
    assert answer.status_code == 200
    assert answer.headers["X-Audio-Truncated"] == "true"
    assert answer.json["truncated"] is True
    assert answer.json["warnings"]


def test_the_channels_of_a_recording_that_was_cut_are_said_to_be(make_client):
    cut = wav((2.0, 0.5), channels=2)[:80_000]
    answer = make_client().post("/transcribe", data=upload(cut, channels="separate"))
    assert answer.status_code == 200
    assert answer.headers["X-Audio-Truncated"] == "true"
    assert answer.headers["X-Audio-Duration"] == "1.249"
    assert [c["text"] for c in answer.json["channels"]] == ["heard 1.25 s"] * 2
    for channel in answer.json["channels"]:
        assert channel["truncated"] is True
        assert "cut or damaged" in channel["warnings"][0]


@pytest.mark.parametrize("channels", ["mix", "separate"])
def test_a_warning_of_the_engine_is_passed_on_and_is_no_damage(make_client, channels):
    class Deaf(FakeStt):
        def transcribe(self, blocks, options):
            made = super().transcribe(blocks, options)
            made.warnings.append("not honoured: prompt")
            return made

    answer = make_client(Deaf()).post("/transcribe", data=upload(prompt="x", channels=channels))
    transcript = answer.json["channels"][0] if channels == "separate" else answer.json
    assert transcript["warnings"] == ["not honoured: prompt"]
    assert "truncated" not in transcript
    assert "X-Audio-Truncated" not in answer.headers


def test_limits(make_client):
    client = make_client(max_audio_seconds=1.5)
    assert client.post("/transcribe", data=upload(wav((2.0, 0.5)))).status_code == 413
    small = make_client(max_body_bytes=4096)
    assert small.post("/transcribe", data=upload()).status_code == 413


def test_large_uploads_go_through_a_file(make_client):
    client = make_client(spool_bytes=100)
    answer = client.post("/transcribe", data=SPEECH, content_type="audio/wav")
    assert answer.json["text"] == "heard 1.00 s"


def test_channels_apart(make_client):
    sound = wav((1.0, 0.5), channels=3)
    answer = make_client().post("/transcribe", data=upload(sound, channels="separate"))
    assert [c["text"] for c in answer.json["channels"]] == ["heard 1.00 s"] * 3
    assert answer.headers["X-Audio-Duration"] == "1.000"
    assert "X-Audio-Truncated" not in answer.headers


def test_an_engine_that_fails_in_one_channel_is_free_afterwards(make_client):
    client = make_client(FakeStt(fail_after=1), queue_limit=0)
    sound = wav((6.0, 0.5), channels=2)
    for _ in range(2):
        answer = client.post("/transcribe", data=upload(sound, channels="separate"))
        assert answer.json["error"]["code"] == "engine_failure"


@pytest.mark.parametrize(
    ("language", "status"),
    [("es", 200), ("EN-us", 200), ("Spanish", 200), ("auto", 200), ("xx", 422)],
)
def test_languages(make_client, language, status):
    answer = make_client().post("/transcribe", data=upload(language=language))
    assert answer.status_code == status
    if status == 422:
        assert answer.json["error"]["available"] == ["en", "es", "pt"]


def openai(client, data=SPEECH, **fields):
    return client.post("/v1/audio/transcriptions", data=upload(data, "file", **fields))


def test_openai_formats(make_client):
    client = make_client()
    short = openai(client, model="whisper-1").json
    assert short == {"text": "heard 1.00 s", "usage": {"type": "duration", "seconds": 1.0}}
    assert openai(client, response_format="text").get_data(as_text=True) == "heard 1.00 s\n"
    srt = openai(client, response_format="srt").get_data(as_text=True)
    assert srt == "1\n00:00:00,000 --> 00:00:01,000\nheard 1.00 s\n"
    vtt = openai(client, response_format="vtt")
    assert vtt.mimetype == "text/vtt"
    assert vtt.get_data(as_text=True).startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n")


def test_openai_verbose(make_client):
    client = make_client()
    verbose = openai(client, response_format="verbose_json").json
    assert verbose["duration"] == 1.0
    assert verbose["language"] == "en"
    segment = verbose["segments"][0]
    wanted = (
        "id seek start end text tokens temperature avg_logprob compression_ratio no_speech_prob"
    )
    assert set(segment) == set(wanted.split())
    words = openai(
        client, response_format="verbose_json", **{"timestamp_granularities[]": "word"}
    ).json
    assert "segments" not in words
    assert words["words"][0]["word"] == "heard"


def events(answer):
    lines = answer.get_data(as_text=True).split("\n\n")
    return [line.removeprefix("data: ") for line in lines if line]


def test_openai_stream(make_client):
    found = events(openai(make_client(), wav((6.0, 0.5)), stream="true"))
    assert found[-1] == "[DONE]"
    data = [json.loads(event) for event in found[:-1]]
    assert [e["type"] for e in data[:-1]] == ["transcript.text.delta"] * (len(data) - 1)
    assert len(data) > 2
    assert data[-1]["type"] == "transcript.text.done"
    assert "".join(e["delta"] for e in data[:-1]) == data[-1]["text"]
    assert data[-1]["usage"] == {"type": "duration", "seconds": 6.0}


def test_a_fault_in_mid_stream_is_an_event_and_one_before_it_a_status(make_client):
    client = make_client(FakeStt(fail_after=1))
    found = events(openai(client, wav((6.0, 0.5)), stream="true"))
    assert json.loads(found[-1])["error"]["code"] == "engine_failure"
    assert "[DONE]" not in found
    at_once = openai(make_client(FakeStt(fail_after=0)), stream="true")
    assert at_once.status_code == 500


def test_a_stream_that_is_left_frees_the_engine(make_client):
    engine = FakeStt()
    client = make_client(engine, queue_limit=0)
    answer = openai(client, wav((14.0, 0.5)), stream="true")
    next(answer.response)
    answer.close()
    assert engine.closed_early == 1
    assert openai(client).status_code == 200


def test_translations(make_client):
    answer = make_client().post("/v1/audio/translations", data=upload(field="file"))
    assert answer.json["text"]


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe", "fake", "fake-stt", "stt"])
def test_names_of_models(make_client, model):
    assert openai(make_client(), model=model).status_code == 200


def test_unknown_models_and_formats(make_client):
    client = make_client()
    unknown = openai(client, model="nothing")
    assert unknown.status_code == 404
    assert "fake-stt" in unknown.json["error"]["available"]
    assert openai(client, response_format="docx").status_code == 422
    assert client.get("/v1/models").json["data"][0]["task"] == "transcription"
    assert client.get("/").json["status"] == "online"


def test_a_damaged_stream_says_so(make_client):
    found = events(openai(make_client(), wav((6.0, 0.5))[:150_000], stream="true"))
    assert json.loads(found[-2])["warnings"]
