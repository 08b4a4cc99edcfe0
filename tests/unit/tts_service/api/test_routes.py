from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from shared.core.errors import NotReady
from tests.unit.tts_service.conftest import AppFactory, data_length, samples_of
from tts_service.engines.fake import FakeEngine

UNKNOWN_LENGTH = 0xFFFFFFFF


def test_synthesize_streams_a_wav(client: FlaskClient) -> None:
    answer = client.post("/synthesize", json={"text": "Hello. World."})
    assert answer.status_code == 200
    assert answer.mimetype == "audio/wav"
    assert "Content-Length" not in answer.headers
    assert data_length(answer.data) == UNKNOWN_LENGTH
    assert samples_of(answer.data).size > 1000
    assert answer.headers["X-Engine"] == "fake"


def test_synthesize_whole_when_asked(client: FlaskClient) -> None:
    answer = client.post("/synthesize", json={"text": "Hello. World.", "stream": False})
    assert data_length(answer.data) == len(answer.data) - 44
    assert "X-Ignored-Parameters" not in answer.headers


def test_batch_is_exact(client: FlaskClient) -> None:
    answer = client.post("/api/tts/batch", json={"text": "Hola. Mundo.", "language": "es"})
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert data_length(answer.data) == len(answer.data) - 44
    seconds = float(answer.headers["X-Audio-Duration"])
    assert seconds == pytest.approx(samples_of(answer.data).size / 24_000, abs=0.001)


def test_stream_of_the_second_dialect(client: FlaskClient) -> None:
    answer = client.post("/api/tts/stream", json={"text": "Hola.", "language": "ES"})
    assert data_length(answer.data) == UNKNOWN_LENGTH
    assert answer.headers["X-Language"] == "es"


def test_speed_changes_the_length(client: FlaskClient) -> None:
    sizes = [
        samples_of(client.post("/synthesize", json={"text": "a" * 100, "speed": s}).data).size
        for s in (0.25, 1, 4)
    ]
    assert sizes[0] == pytest.approx(4 * sizes[1], rel=0.1)
    assert sizes[1] == pytest.approx(4 * sizes[2], rel=0.1)


def test_generate_voice_json_and_portuguese_names(client: FlaskClient) -> None:
    plain = client.post("/generate-voice", json={"text": "Hola.", "language": "es", "speed": 1.0})
    nested = client.post("/generate-voice", json={"texto": "Hola.", "parametros": {"idioma": "es"}})
    assert plain.status_code == nested.status_code == 200
    assert plain.data == nested.data
    assert "X-Voice-Method" not in plain.headers


@pytest.mark.parametrize("tag", ["es", "ES", "es-MX", "es_mx"])
def test_generate_voice_takes_tags_as_people_write_them(client: FlaskClient, tag: str) -> None:
    answer = client.post("/generate-voice", json={"text": "Hola.", "language": tag})
    assert answer.headers["X-Language"] == "es"


def test_generate_voice_refuses_a_language_with_the_list(client: FlaskClient) -> None:
    answer = client.post("/generate-voice", json={"text": "Hallo.", "language": "de"})
    assert answer.status_code == 422
    assert answer.json["error"]["available"] == ["en-us", "es"]


def test_generate_voice_follows_a_sample(client: FlaskClient) -> None:
    answer = client.post(
        "/generate-voice",
        data={"text": "Hola.", "language": "es", "sample": (io.BytesIO(b"recording"), "me.wav")},
    )
    assert answer.headers["X-Voice-Method"] == "matching"
    assert answer.headers["X-Voice-Similarity"] == "0.500"
    assert answer.headers["X-Language"] == "es"


@pytest.mark.parametrize(
    ("field", "content", "status"),
    [("sample", b"", 422), ("other", b"x", 422), ("sample", b"x" * 2000, 413)],
)
def test_generate_voice_refuses_odd_samples(
    make_app: AppFactory, field: str, content: bytes, status: int
) -> None:
    client = make_app(max_reference_bytes=1024).test_client()
    answer = client.post(
        "/generate-voice", data={"text": "Hola.", field: (io.BytesIO(content), "me.wav")}
    )
    assert answer.status_code == status
    assert answer.json["error"]["param"] == "sample"


def test_ignored_parameters_are_reported(client: FlaskClient) -> None:
    answer = client.post(
        "/generate-voice", json={"text": "Hola.", "emotion": "happy", "temperature": 0.5, "x": 1}
    )
    assert answer.headers["X-Ignored-Parameters"] == "emotion, temperature, x"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/synthesize", {"text": ""}, 422, "invalid_request"),
        ("/synthesize", {}, 422, "invalid_request"),
        ("/synthesize", {"text": "hi", "speed": 9}, 422, "invalid_request"),
        ("/synthesize", {"text": "hi", "format": "doc"}, 422, "invalid_request"),
        ("/synthesize", {"text": "?!"}, 422, "unspeakable_text"),
        ("/synthesize", {"text": "hi", "language": "tlh"}, 422, "unknown_language"),
        ("/synthesize", {"text": "hi", "voice": "nobody"}, 404, "unknown_voice"),
        ("/synthesize", {"text": "hi", "voice_sample": "nobody.wav"}, 404, "unknown_voice"),
        ("/synthesize", {"text": "hi", "voice_sample": "../x.wav"}, 422, "invalid_request"),
        ("/v1/audio/speech", {"input": "hi", "model": "gpt-9"}, 404, "unknown_model"),
        ("/v1/audio/speech", {"input": "x" * 4097}, 422, "invalid_request"),
        ("/v1/audio/speech", {"input": "hi", "speed": 0.2}, 422, "invalid_request"),
        ("/v1/audio/speech", {"input": "hi", "temperature": "abc"}, 422, "invalid_request"),
        ("/v1/audio/speech", {"input": "hi", "top_k": -5}, 422, "invalid_request"),
        ("/synthesize", {"text": "hi", "temperature": 1e-40}, 422, "invalid_request"),
        ("/synthesize", {"text": "hi", "chunk_length": math.nan}, 422, "invalid_request"),
        ("/synthesize", {"text": "hi", "voice_sample": "é" * 200 + ".wav"}, 404, "unknown_voice"),
        ("/api/config", {}, 422, "invalid_request"),
        ("/api/config", {"language": "es", "voice": "man.wav"}, 422, "invalid_request"),
        ("/api/config", {"language": "tlh"}, 422, "unknown_language"),
        ("/api/config", {"voice_sample": "nobody.wav"}, 404, "unknown_voice"),
    ],
)
def test_refusals(client: FlaskClient, path: str, body: object, status: int, code: str) -> None:
    answer = client.post(path, json=body)
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)


def test_refusals_list_what_there_is(client: FlaskClient, voices: Path) -> None:
    (voices / "man.wav").write_bytes(b"x")
    error = client.post("/synthesize", json={"text": "hi", "voice": "nobody"}).json["error"]
    assert "fake-es" in error["available"]
    assert error["samples"] == ["man.wav"]


def test_malformed_json_is_400(client: FlaskClient) -> None:
    answer = client.post("/synthesize", data="{", content_type="application/json")
    assert answer.status_code == 400


def test_the_engine_failing_before_the_first_byte_is_500(make_app: AppFactory) -> None:
    client = make_app(FakeEngine(fails_after=0)).test_client()
    answer = client.post("/synthesize", json={"text": "One. Two."})
    assert answer.status_code == 500
    assert answer.json["error"]["code"] == "engine_failure"


def test_config_sets_the_defaults_and_survives_a_restart(
    make_app: AppFactory, voices: Path
) -> None:
    (voices / "man.mp3").write_bytes(b"recording")
    client = make_app().test_client()
    assert client.get("/").json == {
        "status": "online",
        "message": "TTS service is running",
        "config": {"voice_sample": None, "language": "en"},
    }
    answer = client.post("/api/config", json={"voice_sample": "man.wav", "language": "es"})
    assert answer.json == {"voice_sample": "man.wav", "language": "es"}
    spoken = client.post("/api/tts/batch", json={"text": "Hola."})
    assert spoken.headers["X-Voice-Method"] == "matching"
    assert spoken.headers["X-Language"] == "es"
    again = make_app().test_client()
    assert again.get("/api/config").json == {"voice_sample": "man.wav", "language": "es"}
    assert again.post("/api/config", json={"voice_sample": None}).json["voice_sample"] is None
    assert again.get("/api/status").json["config"] == {"voice_sample": None, "language": "es"}


def test_a_damaged_defaults_file_is_ignored(make_app: AppFactory, tmp_path: Path) -> None:
    path = tmp_path / "home" / "tts" / "defaults.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"language": 3')
    assert make_app().test_client().get("/api/config").json["language"] == "en"


@pytest.mark.parametrize(
    ("container", "mime", "magic"),
    [
        (None, "audio/mpeg", (b"ID3", b"\xff")),
        ("mp3", "audio/mpeg", (b"ID3", b"\xff")),
        ("opus", "audio/ogg", (b"OggS",)),
        ("aac", "audio/aac", (b"\xff\xf1",)),
        ("flac", "audio/flac", (b"fLaC",)),
        ("wav", "audio/wav", (b"RIFF",)),
        ("pcm", "audio/pcm", (b"\0\0",)),
    ],
)
def test_openai_speech_formats(
    client: FlaskClient, container: str | None, mime: str, magic: tuple[bytes, ...]
) -> None:
    body = {"input": "Hello.", "model": "tts-1", "voice": "alloy"}
    if container is not None:
        body["response_format"] = container
    answer = client.post("/v1/audio/speech", json=body)
    assert answer.status_code == 200
    assert answer.mimetype == mime
    assert answer.data.startswith(magic)


def test_openai_speech_takes_a_voice_object_and_reports_instructions(client: FlaskClient) -> None:
    answer = client.post(
        "/v1/audio/speech",
        json={"input": "Hola.", "voice": {"id": "fake-es"}, "instructions": "Whisper."},
    )
    assert answer.headers["X-Voice"] == "fake-es"
    assert answer.headers["X-Ignored-Parameters"] == "instructions"


def test_openai_speech_as_events(client: FlaskClient) -> None:
    body = {"input": "One. Two.", "stream_format": "sse", "response_format": "pcm"}
    answer = client.post("/v1/audio/speech", json=body)
    assert answer.mimetype == "text/event-stream"
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line]
    assert [e["type"] for e in events] == [
        "speech.audio.delta",
        "speech.audio.delta",
        "speech.audio.done",
    ]
    assert set(events[-1]["usage"]) == {"input_tokens", "output_tokens", "total_tokens"}


def test_a_failure_in_mid_stream_is_an_error_event(make_app: AppFactory) -> None:
    client = make_app(FakeEngine(fails_after=1)).test_client()
    body = {"input": "One. Two.", "stream_format": "sse", "response_format": "pcm"}
    answer = client.post("/v1/audio/speech", json=body)
    last = json.loads(answer.text.splitlines()[-2][6:])
    assert last["error"]["code"] == "engine_failure"


def test_catalogues(client: FlaskClient, voices: Path) -> None:
    (voices / "man.mp3").write_bytes(b"recording")
    (voices / "notes.txt").write_text("no recording")
    listed = {v["id"]: v for v in client.get("/v1/audio/voices").json["voices"]}
    assert set(listed) == {"fake-en-us", "fake-es", "man.mp3"}
    assert listed["fake-es"]["language"] == "es"
    assert listed["fake-es"]["parameters"] == ["speed"]
    assert listed["man.mp3"]["name"] == "matching of man.mp3"
    models = client.get("/v1/models").json["data"]
    assert [m["id"] for m in models] == ["fake", "tts-1", "tts-1-hd", "gpt-4o-mini-tts"]
    assert {m["engine"] for m in models} == {"fake"}
    assert client.get("/v1/models/fake").json["licence"] == "CC0-1.0"
    assert client.get("/v1/models/gpt-9").status_code == 404


def test_not_ready(make_app: AppFactory) -> None:
    client = make_app(FakeEngine(load_error=NotReady("no weights"))).test_client()
    for answer in (client.get("/readyz"), client.post("/synthesize", json={"text": "Hi."})):
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
    assert client.get("/").json["status"] == "online"
    assert client.get("/livez").status_code == 200


def test_the_specification_has_every_route(client: FlaskClient) -> None:
    paths = client.get("/openapi.json").json["paths"]
    assert {
        "/",
        "/synthesize",
        "/api/tts/batch",
        "/api/tts/stream",
        "/api/config",
        "/generate-voice",
        "/v1/audio/speech",
        "/v1/audio/voices",
        "/v1/models",
        "/ws/tts",
    } <= set(paths)


@pytest.mark.parametrize("path", ["/synthesize", "/api/tts/stream"])
def test_no_proxy_on_the_way_collects_or_keeps_a_stream(client: FlaskClient, path: str) -> None:
    answer = client.post(path, json={"text": "Hello there."})
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_header_names_only_so_many_ignored_parameters(client: FlaskClient) -> None:
    unknown = {f"unknown_{number}": 1 for number in range(500)}
    answer = client.post("/synthesize", json={"text": "Hello there.", **unknown})
    assert answer.status_code == 200
    assert len(answer.headers["X-Ignored-Parameters"].split(", ")) == 32
