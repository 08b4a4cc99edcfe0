"""Recordings that find no room for their temporary file."""

import io
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.unit.stt_service.conftest import wav

SPEECH = wav((1.0, 0.5))


@pytest.fixture
def full_disk():
    """Makes temporary files on a disk that is full; closes those that a library left open."""
    with ExitStack() as closing:
        yield lambda *_, **__: closing.enter_context(Path("/dev/full").open("w+b", buffering=0))


def assert_come_again(answer):
    assert answer.status_code == 503
    assert answer.json["error"]["code"] == "disk_full"
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_recording_in_the_body(make_client, full_disk, monkeypatch):
    client = make_client()
    monkeypatch.setattr("stt_service.api.uploads.SpooledTemporaryFile", full_disk)
    assert_come_again(client.post("/transcribe", data=SPEECH, content_type="audio/wav"))


def test_a_recording_in_a_form(make_client, full_disk, monkeypatch):
    client = make_client()
    monkeypatch.setattr("werkzeug.formparser.SpooledTemporaryFile", full_disk)
    form = {"audio_file": (io.BytesIO(SPEECH), "a.wav")}
    assert_come_again(client.post("/transcribe", data=form))


def test_the_service_lives_on(make_client, full_disk, monkeypatch):
    client = make_client()
    with monkeypatch.context() as patch:
        patch.setattr("stt_service.api.uploads.SpooledTemporaryFile", full_disk)
        client.post("/transcribe", data=SPEECH, content_type="audio/wav")
    answer = client.post("/transcribe", data=SPEECH, content_type="audio/wav")
    assert answer.status_code == 200, answer.text


def test_a_form_is_copied_only_where_the_answer_is_streamed(make_client, full_disk, monkeypatch):
    client = make_client()
    monkeypatch.setattr("stt_service.api.uploads.SpooledTemporaryFile", full_disk)

    def send(**fields):
        form = {"file": (io.BytesIO(SPEECH), "a.wav"), **fields}
        return client.post("/v1/audio/transcriptions", data=form)

    assert send().status_code == 200
    assert_come_again(send(stream="true"))
