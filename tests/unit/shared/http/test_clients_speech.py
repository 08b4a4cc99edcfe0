"""The clients of speech synthesis and recognition, on a pool that is told what to answer."""

import json

import numpy as np
import pytest
import urllib3

from shared.core.errors import Overloaded, UnknownVoice, UpstreamUnavailable
from shared.http.client.stt import SttClient
from shared.http.client.tts import TtsClient


class FakeResponse:
    def __init__(self, status=200, body=b"", headers=None, pieces=None):
        self.status_code = status
        self.headers = headers or {}
        self.closed = 0
        self._body = body
        self.raw = self
        self._pieces = list(pieces or [])

    def read1(self, amount, decode_content):
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    def json(self):
        return json.loads(self._body)

    def close(self):
        self.closed += 1


class FakePool:
    def __init__(self, answer):
        self.answer = answer
        self.calls = []

    def request(self, method, path, **kwargs):
        self.calls.append((method, path, kwargs))
        return self.answer

    def json(self, method, path, **kwargs):
        self.calls.append((method, path, kwargs))
        return self.answer

    def is_ready(self):
        return True


def test_speech_comes_as_samples_whatever_the_pieces():
    samples = np.arange(5, dtype="<i2").tobytes()
    answer = FakeResponse(
        headers={"X-Sample-Rate": "22050", "X-Engine": "e", "X-Voice": "v"},
        pieces=[samples[:3], samples[3:4], samples[4:]],
    )
    pool = FakePool(answer)
    stream = TtsClient(pool).speak("hi", language="en", voice="v", speed=1.5)
    assert np.concatenate(list(stream)).tolist() == [0, 1, 2, 3, 4]
    assert (stream.format.sample_rate, stream.engine, stream.headers["X-Voice"]) == (
        22050,
        "e",
        "v",
    )
    assert answer.closed == 1
    sent = json.loads(pool.calls[0][2]["body"])
    assert sent == {"text": "hi", "speed": 1.5, "format": "pcm", "language": "en", "voice": "v"}


def test_closing_early_closes_the_answer():
    answer = FakeResponse(pieces=[b"\0\0"] * 10)
    stream = TtsClient(FakePool(answer)).speak("hi")
    next(iter(stream))
    stream.close()
    assert answer.closed == 1


def test_speech_that_breaks_off():
    answer = FakeResponse(pieces=[b"\0\0", urllib3.exceptions.ProtocolError("gone")])
    stream = TtsClient(FakePool(answer)).speak("hi")
    with pytest.raises(UpstreamUnavailable, match="broke off"):
        list(stream)
    assert answer.closed == 1


def test_an_error_answer_is_raised_as_what_it_is():
    body = json.dumps({"error": {"message": "m", "code": "unknown_voice"}}).encode()
    with pytest.raises(UnknownVoice):
        TtsClient(FakePool(FakeResponse(404, body))).speak("hi")
    busy = FakeResponse(503, b"broken", {"Retry-After": "3"})
    with pytest.raises(Overloaded) as caught:
        TtsClient(FakePool(busy)).speak("hi")
    assert caught.value.retry_after == 3


def test_voices_are_kept_for_a_while():
    voice = {
        "id": "a",
        "name": "A",
        "language": "en",
        "languages": ["en"],
        "engine": "e",
        "licence": "x",
    }
    pool = FakePool({"voices": [voice]})
    client = TtsClient(pool)
    assert client.voices()[0].id == "a"
    client.voices()
    assert len(pool.calls) == 1
    assert client.is_ready()


def test_transcripts():
    pool = FakePool({"text": "hi", "language": "en", "duration": 1.0, "engine": "e"})
    client = SttClient(pool)
    assert client.transcribe(b"x", content_type="audio/wav", language="en").text == "hi"
    _, path, kwargs = pool.calls[0]
    assert path == "/transcribe"
    assert kwargs["headers"] == {"Content-Type": "audio/wav"}
    assert kwargs["params"] == {"language": "en"}
    assert client.is_ready()
    with pytest.raises(UpstreamUnavailable):
        SttClient(FakePool([])).transcribe(b"x")
