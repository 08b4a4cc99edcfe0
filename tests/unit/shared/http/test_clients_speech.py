"""The clients of speech synthesis and recognition, on a pool that is told what to answer."""

import json

import numpy as np
import pytest
import urllib3

from shared.core.errors import MeshError, Overloaded, UnknownVoice, UpstreamUnavailable
from shared.http.client.pool import UpstreamPool
from shared.http.client.stt import SttClient
from shared.http.client.tts import TtsClient
from tests.little_server import LittleServer


class FakeResponse:
    def __init__(self, status=200, body=b"", headers=None, pieces=None):
        self.status_code = status
        self.headers = {"Content-Type": "audio/pcm;rate=24000", **(headers or {})}
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


@pytest.fixture
def answering():
    """A pool on a real server that gives one answer: status, body, headers."""
    opened = []

    def start(status, body, **headers):
        def answer(handler):
            handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        server = LittleServer(answer)
        opened.append(server)
        opened.append(UpstreamPool("test", [server.url]))
        return opened[-1]

    yield start
    for each in reversed(opened):
        each.close()


HTML = b"<html><body>It works!</body></html>"
TRANSCRIPT = {"text": "hi", "language": "en", "duration": 1.0, "engine": "e"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HTML,
        b"{",
        b"null",
        b'"hi"',
        b"[]",
        b"{}",
        b"\xff\xfe",
        json.dumps(TRANSCRIPT | {"text": None}).encode(),
        json.dumps(TRANSCRIPT | {"duration": "long"}).encode(),
        json.dumps(TRANSCRIPT | {"segments": [{"text": "hi"}]}).encode(),
    ],
)
def test_a_transcript_that_is_none_is_the_fault_of_the_service(answering, body):
    with pytest.raises(UpstreamUnavailable) as caught:
        SttClient(answering(200, body, Content_Type="application/json")).transcribe(b"x")
    assert caught.value.status == 502


@pytest.mark.parametrize("body", [b"", HTML, b"[]", b"{}", b'{"voices": [{"id": "a"}]}'])
def test_a_list_of_voices_that_is_none_is_the_fault_of_the_service(answering, body):
    with pytest.raises(UpstreamUnavailable):
        TtsClient(answering(200, body)).voices()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (HTML, {"Content_Type": "text/html"}),
        (b"\0\0", {}),
        *(
            (b"\0\0", {"Content_Type": "audio/pcm", "X_Sample_Rate": rate})
            for rate in ("", "fast", "0", "-24000", "1e9", "24000.0", "9" * 5000)
        ),
    ],
)
def test_speech_that_is_no_audio_is_the_fault_of_the_service(answering, body, headers):
    with pytest.raises(UpstreamUnavailable):
        TtsClient(answering(200, body, **headers)).speak("hi")


@pytest.mark.parametrize("body", [b"", b"\0"])
def test_speech_without_a_sample_is_the_fault_of_the_service(answering, body):
    stream = TtsClient(answering(200, body, Content_Type="audio/pcm")).speak("hi")
    with pytest.raises(UpstreamUnavailable, match="no audio"):
        list(stream)


@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (404, HTML, 502),
        (401, b"", 502),
        (422, b'{"detail": []}', 502),
        (302, b"", 502),
        (500, HTML, 500),
        (503, HTML, 503),
        (599, b"[" * 100_000, 502),
        (415, b'{"error": {"message": "m", "code": "damaged_audio"}}', 415),
        (400, b'{"error": {"message": 1, "param": [], "code": {}}}', 400),
    ],
)
def test_an_error_keeps_its_status_only_where_the_service_explains_it(
    answering, status, body, wanted
):
    pool = answering(status, body, Retry_After="inf")
    for call in (lambda: TtsClient(pool).speak("hi"), lambda: SttClient(pool).transcribe(b"x")):
        with pytest.raises(MeshError) as caught:
            call()
        assert caught.value.status == wanted
        assert caught.value.retry_after != float("inf")
