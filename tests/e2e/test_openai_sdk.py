"""The unmodified ``openai`` package against the whole mesh with its real engines."""

from __future__ import annotations

import base64
import difflib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import openai
import pytest
from openai import OpenAI

from shared.audio.decode import RawFormat, decode

pytestmark = [pytest.mark.e2e, pytest.mark.models]

Container = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
CONTAINERS: list[Container] = ["mp3", "opus", "aac", "flac", "wav", "pcm"]
CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
MAGIC = {"opus": b"OggS", "flac": b"fLaC", "wav": b"RIFF"}
SENTENCE = "The quick brown fox jumps over the lazy dog."
TEXT = f"{SENTENCE} It was a bright cold day in April, and the clocks were striking thirteen."


def decoded(data: bytes, container: str) -> np.ndarray:
    declared = RawFormat("s16le", 24_000) if container == "pcm" else None
    return decode(data, sample_rate=16_000, max_seconds=60, declared=declared)


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def likeness(text: str, reference: str) -> float:
    """1 where both have the same words in the same order."""
    return difflib.SequenceMatcher(None, words(text), words(reference)).ratio()


@pytest.fixture(scope="module")
def spoken(speech_dir: Path, manifest: list[dict[str, Any]]) -> tuple[Path, dict[str, Any]]:
    """A short English recording whose words are known."""
    rows = [
        row
        for row in manifest
        if row["kind"] == "speech"
        and row["language"] == "en"
        and row["gold"]
        and row["seconds"] > 4
    ]
    row = min(rows, key=lambda row: float(row["seconds"]))
    return speech_dir / row["file"], row


@pytest.fixture(scope="module")
def spanish(speech_dir: Path, manifest: list[dict[str, Any]]) -> Path:
    rows = [row for row in manifest if row["kind"] == "speech" and row["language"] == "es"]
    return speech_dir / str(min(rows, key=lambda row: float(row["seconds"]))["file"])


# --- speech ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", CONTAINERS)
def test_speech_in_every_format(openai_client: OpenAI, container: Container) -> None:
    answer = openai_client.audio.speech.create(
        model="tts-1", voice="alloy", input=SENTENCE, response_format=container
    )
    kind = answer.response.headers["content-type"]
    assert kind.startswith(CONTENT_TYPES[container])
    assert answer.content.startswith(MAGIC.get(container, b""))
    samples = decoded(answer.content, container)
    assert 1.5 < samples.size / 16_000 < 8
    assert 0.01 < float(np.sqrt(np.mean(samples**2))) < 0.5


def test_mp3_is_the_default_format(openai_client: OpenAI) -> None:
    answer = openai_client.audio.speech.create(model="tts-1", voice="alloy", input=SENTENCE)
    assert answer.response.headers["content-type"] == "audio/mpeg"
    assert decoded(answer.content, "mp3").size > 16_000


def test_speech_streams_into_a_file(openai_client: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    with openai_client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input=TEXT, response_format="wav"
    ) as answer:
        assert "content-length" not in answer.headers
        assert answer.headers["x-engine"]
        answer.stream_to_file(path)
    assert decoded(path.read_bytes(), "wav").size > 3 * 16_000


def test_speech_as_events(openai_client: OpenAI) -> None:
    with openai_client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input=TEXT, response_format="pcm", stream_format="sse"
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = list(_events(answer.iter_lines()))
    kinds = [event["type"] for event in events]
    assert set(kinds[:-1]) == {"speech.audio.delta"}
    assert kinds[-1] == "speech.audio.done"
    assert events[-1]["usage"]
    audio = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert decoded(audio, "pcm").size > 3 * 16_000


def _events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))


def test_speed_changes_the_length(openai_client: OpenAI) -> None:
    lengths = [
        decoded(
            openai_client.audio.speech.create(
                model="tts-1", voice="alloy", input=SENTENCE, response_format="wav", speed=speed
            ).content,
            "wav",
        ).size
        for speed in (0.8, 1.6)
    ]
    assert lengths[0] > 1.5 * lengths[1]


def test_what_is_spoken_is_understood(openai_client: OpenAI) -> None:
    audio = openai_client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT).content
    heard = openai_client.audio.transcriptions.create(
        model="whisper-1", file=("speech.mp3", audio), language="en"
    )
    assert likeness(heard.text.replace("13", "thirteen"), TEXT) > 0.9


def test_voices_and_models_are_listed(openai_client: OpenAI) -> None:
    models = list(openai_client.models.list())
    assert len(models) >= 2
    assert all(model.object == "model" and model.id for model in models)
    assert openai_client.models.retrieve(models[0].id).id == models[0].id
    voices = openai_client.get("/audio/voices", cast_to=object)
    assert isinstance(voices, dict)
    assert next(iter(voices.values()))


# --- transcriptions -------------------------------------------------------------------------------


def test_transcription_as_json(openai_client: OpenAI, spoken: tuple[Path, dict[str, Any]]) -> None:
    path, row = spoken
    answer = openai_client.audio.transcriptions.create(model="whisper-1", file=path)
    assert likeness(answer.text, row["transcript"]) > 0.8
    assert answer.usage is not None
    assert answer.usage.type == "duration"
    assert answer.usage.seconds == pytest.approx(row["seconds"], abs=1)


def test_transcription_as_verbose_json(
    openai_client: OpenAI, spoken: tuple[Path, dict[str, Any]]
) -> None:
    path, row = spoken
    answer = openai_client.audio.transcriptions.create(
        model="whisper-1",
        file=path,
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert likeness(answer.text, row["transcript"]) > 0.8
    assert float(answer.duration) == pytest.approx(row["seconds"], abs=0.1)
    assert answer.language in {"en", "english"}
    assert answer.segments
    assert answer.words
    for earlier, later in zip(answer.segments, answer.segments[1:], strict=False):
        assert earlier.end <= later.start + 0.05
    times = [time for word in answer.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[-1] <= row["seconds"] + 0.5
    assert likeness(" ".join(word.word for word in answer.words), answer.text) > 0.9


@pytest.mark.parametrize(
    ("response_format", "pattern"),
    [
        ("text", r"\A\w.*"),
        ("srt", r"\A1\n00:00:0\d,\d{3} --> 00:00:\d\d,\d{3}\n.+"),
        ("vtt", r"\AWEBVTT\n\n(00:)?00:0\d\.\d{3} --> (00:)?00:\d\d\.\d{3}\n.+"),
    ],
)
def test_transcription_as_text_and_subtitles(
    openai_client: OpenAI,
    spoken: tuple[Path, dict[str, Any]],
    response_format: Literal["text", "srt", "vtt"],
    pattern: str,
) -> None:
    path, row = spoken
    answer = openai_client.audio.transcriptions.create(
        model="whisper-1", file=path, response_format=response_format
    )
    text = str(answer)
    assert re.match(pattern, text)
    said = " ".join(line for line in text.splitlines() if re.search(r"[a-z]{2}", line))
    assert likeness(said, row["transcript"]) > 0.8


def test_transcription_as_events(
    openai_client: OpenAI, spoken: tuple[Path, dict[str, Any]]
) -> None:
    path, row = spoken
    events = list(
        openai_client.audio.transcriptions.create(model="whisper-1", file=path, stream=True)
    )
    assert {event.type for event in events[:-1]} == {"transcript.text.delta"}
    done = events[-1]
    assert done.type == "transcript.text.done"
    assert likeness(done.text, row["transcript"]) > 0.8
    pieces = "".join(event.delta for event in events if event.type == "transcript.text.delta")
    assert words(pieces) == words(done.text)


# The SDK calls its translations deprecated; clients still use them.
@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_translation_into_english(openai_client: OpenAI, spanish: Path) -> None:
    answer = openai_client.audio.translations.create(model="whisper-1", file=spanish)
    said = set(words(answer.text))
    assert said & {"the", "and", "of", "to", "a", "in", "was", "that", "his", "with"}


# --- errors -------------------------------------------------------------------------------------


def _checked(error: openai.APIStatusError) -> dict[str, Any]:
    """The error's body, in the shape of the OpenAI API, and its request id."""
    assert error.request_id
    assert isinstance(error.body, dict)
    assert {"message", "type", "param", "code"} <= set(error.body)
    assert error.body["message"]
    return error.body


@pytest.mark.parametrize(
    "fields",
    [
        {"input": ""},
        {"input": "x" * 4097},
        {"speed": 9.0},
        {"response_format": "midi"},
    ],
)
def test_invalid_speech_fields(openai_client: OpenAI, fields: dict[str, Any]) -> None:
    request: dict[str, Any] = {"model": "tts-1", "voice": "alloy", "input": SENTENCE} | fields
    with pytest.raises(openai.UnprocessableEntityError) as raised:
        openai_client.audio.speech.create(**request)
    assert _checked(raised.value)["param"] == next(iter(fields))


def test_an_unknown_voice_names_those_there_are(openai_client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        openai_client.audio.speech.create(model="tts-1", voice="nobody", input=SENTENCE)
    body = _checked(raised.value)
    assert body["code"] == "unknown_voice"
    assert body["available"]


@pytest.mark.parametrize("kind", ["speech", "transcription", "model"])
def test_an_unknown_model(
    openai_client: OpenAI, spoken: tuple[Path, dict[str, Any]], kind: str
) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        if kind == "speech":
            openai_client.audio.speech.create(model="no-such", voice="alloy", input=SENTENCE)
        elif kind == "transcription":
            openai_client.audio.transcriptions.create(model="no-such", file=spoken[0])
        else:
            openai_client.models.retrieve("no-such")
    assert _checked(raised.value)["code"] == "unknown_model"


def test_a_body_that_is_no_json(openai_client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        openai_client.post(
            "/audio/speech",
            cast_to=object,
            content=b'{"input": ',
            options={"headers": {"Content-Type": "application/json"}},
        )
    _checked(raised.value)


@pytest.mark.parametrize(
    ("data", "status"),
    [(b"", 422), (b"<html>not found</html>", 415), (np.random.default_rng(1).bytes(20_000), 415)],
    ids=["empty", "html", "noise"],
)
def test_files_that_are_no_audio(openai_client: OpenAI, data: bytes, status: int) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        openai_client.audio.transcriptions.create(model="whisper-1", file=("speech.mp3", data))
    assert raised.value.status_code == status
    _checked(raised.value)


@pytest.mark.parametrize(
    "fields", [{"response_format": "docx"}, {"temperature": 7}, {"language": "klingon"}]
)
def test_invalid_transcription_fields(
    openai_client: OpenAI, spoken: tuple[Path, dict[str, Any]], fields: dict[str, Any]
) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as raised:
        openai_client.audio.transcriptions.create(model="whisper-1", file=spoken[0], **fields)
    assert _checked(raised.value)["param"] == next(iter(fields))


@pytest.mark.skipif(
    "MESH_URL" in os.environ and "MESH_TOKEN" not in os.environ,
    reason="the mesh named by MESH_URL may want no token",
)
def test_a_wrong_token(openai_client: OpenAI) -> None:
    stranger = openai_client.with_options(api_key="wrong-token")
    with pytest.raises(openai.AuthenticationError) as raised:
        stranger.models.list()
    assert _checked(raised.value)["code"] == "invalid_api_key"
