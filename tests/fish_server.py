"""A Fish server for the tests: real HTTP on loopback, msgpack in, chunked WAV out, faults to order.

It speaks the protocol of the Fish Audio API and of a fish-speech server as far as the engines use
it, refuses what those refuse, and instead of a voice has a tone per text, whose length goes with
the text's and whose pitch tells which text it was (:func:`tone_of`).
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import socket
import struct
import threading
import wave
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import numpy as np
import ormsgpack

from tts_service.engines.fake import pitch_of

KEY = "fish-key-0123456789"
LOCAL_RATE = 44_100
_CLOUD_RATES = (8000, 16000, 24000, 32000, 44100)
_SECONDS_PER_CHAR = 0.08
_AROUND_S = 0.12
"""Silence before and after the tone, as models leave it."""
_SWELL_S = 0.03
_PART = 2039
"""Bytes per chunk; odd, so that samples are split between chunks."""
_TAG = re.compile(r"^(\([a-z]+\)|\[[a-z]+\]) ")

Fault = Literal[
    "drop",  # takes the request and closes without an answer
    "hang",  # takes the request and never answers
    "hang_after_header",  # sends the WAV header, then nothing
    "stall",  # sends half of the audio, then nothing
    "cut",  # sends half of the audio and closes
    "empty",  # 200 without a body
    "header_only",  # 200 and a WAV without samples
    "html",  # 200 and a page
    "other_wav",  # 200 and a stereo file
]


@dataclass(slots=True)
class Answer:
    """What to do with one request.

    Attributes:
        fault: None: speak.
        status: other than 200: refuse with it.
        headers: sent along with a refusal.
        gate: waited for before each chunk of the audio after the first.
    """

    fault: Fault | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    gate: threading.Semaphore | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class FishServer:
    """Runs from construction to :meth:`close`.

    Args:
        kind: ``api`` asks for the key and lets the rate be chosen; ``local`` has ``/v1/health``.
        voices: reference ids there are.

    Attributes:
        received: the speech requests so far.
        sent: bytes of audio written so far.
    """

    def __init__(
        self, kind: Literal["api", "local"] = "api", voices: tuple[str, ...] = ("ref-1",)
    ) -> None:
        self.kind = kind
        self.voices = voices
        self.received: list[Received] = []
        self.sent = 0
        self.answer = Answer()
        """For requests that no scripted answer is left for."""
        self.script: deque[Answer] = deque()
        self.released = threading.Event()
        self._connections: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen, on the same port as before."""
        handler = type("Handler", (_Handler,), {"fish": self})
        self._server = _Threads(("127.0.0.1", self._port), handler)
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and drop every connection: the port refuses from now on."""
        if self._server is None:
            return
        self._server.shutdown()
        self._thread.join()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._server = None

    def close(self) -> None:
        """Let go of everything that hangs, and stop."""
        self.released.set()
        self.stop()

    def texts(self) -> list[str]:
        """What was asked to be spoken, in order."""
        return [str(request.body["text"]) for request in self.received]


class _Threads(ThreadingHTTPServer):
    allow_reuse_address = True

    def handle_error(self, *_: object) -> None:
        """A client that has gone is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    fish: FishServer
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.fish._connections.add(self.connection)

    def finish(self) -> None:
        self.fish._connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        if self.path == "/v1/health" and self.fish.kind == "local":
            answer = self.fish.script.popleft() if self.fish.script else self.fish.answer
            self._json(answer.status, {"status": "ok"})
        else:
            self._json(404, {"message": "Not Found", "status": 404})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        fish = self.fish
        if fish.kind == "api" and self.headers.get("Authorization") != f"Bearer {KEY}":
            self._json(401, {"message": "Invalid Token", "status": 401})
            return
        if self.path != "/v1/tts" or self.headers["Content-Type"] != "application/msgpack":
            self._json(415, {"message": "Unsupported", "status": 415})
            return
        body = ormsgpack.unpackb(raw)
        fish.received.append(Received(self.path, dict(self.headers.items()), body))
        answer = fish.script.popleft() if fish.script else fish.answer
        if answer.status != 200:
            # As careless upstreams do, the message quotes what it was sent.
            quoted = f"{body['text']} {self.headers.get('Authorization')}"
            self._json(answer.status, {"message": quoted, "status": answer.status}, answer.headers)
        elif complaint := _complaint(fish, body):
            self._json(complaint[0], {"message": complaint[1], "status": complaint[0]})
        else:
            self._speak(body, answer)

    def _speak(self, body: dict[str, Any], answer: Answer) -> None:
        rate = body.get("sample_rate", LOCAL_RATE) if self.fish.kind == "api" else LOCAL_RATE
        header = _header(rate, unknown=self.fish.kind == "api")
        audio = sound_of(body, rate).tobytes()
        if answer.fault in ("drop", "hang"):
            if answer.fault == "hang":
                self.fish.released.wait()
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if answer.fault == "html" else "audio/wav")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        parts = _parts(answer.fault, header, audio)
        for index, part in enumerate(parts):
            if index and answer.gate is not None:
                answer.gate.acquire()
            self._chunk(part)
        if answer.fault in ("hang_after_header", "stall"):
            self.fish.released.wait()
        if answer.fault in ("hang_after_header", "stall", "cut"):
            self.close_connection = True
            return
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.fish.sent += len(data)

    def _json(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _parts(fault: Fault | None, header: bytes, audio: bytes) -> Iterator[bytes]:
    if fault == "empty":
        return
    if fault == "html":
        yield b"<html><body>Bad gateway</body></html>"
        return
    if fault == "other_wav":
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setparams((2, 2, LOCAL_RATE, 0, "NONE", ""))
            file.writeframes(audio)
        yield buffer.getvalue()
        return
    yield header
    if fault in ("header_only", "hang_after_header"):
        return
    end = len(audio) // 2 if fault in ("stall", "cut") else len(audio)
    for start in range(0, end, _PART):
        yield audio[start : min(end, start + _PART)]


def _header(rate: int, *, unknown: bool) -> bytes:
    """The API writes "as long as a file can be", fish-speech's ``wave`` module "nothing"."""
    size = 0xFFFFFFFF if unknown else 0
    riff = size if unknown else 36
    fields = (b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16, b"data", size)
    return struct.pack("<4sI4s4sIHHIIHH4sI", *fields)


def _complaint(fish: FishServer, body: dict[str, Any]) -> tuple[int, str] | None:
    """What the real servers refuse, with its status."""
    checks: list[tuple[bool, int, str]] = [
        (not isinstance(body.get("text"), str) or not body["text"].strip(), 422, "text"),
        (body.get("format") != "wav", 422, "format"),
        (not 100 <= body.get("chunk_length", 200) <= 300, 422, "chunk_length"),
        *(
            (
                not isinstance(body.get(name, 0.7), float) or not 0.1 <= body.get(name, 0.7) <= 1,
                422,
                name,
            )
            for name in ("temperature", "top_p")
        ),
        (bool(body.get("references")) and "reference_id" in body, 422, "references"),
        ("reference_id" in body and body["reference_id"] not in fish.voices, 404, "reference_id"),
    ]
    if fish.kind == "api":
        checks += [
            (body.get("sample_rate") not in (None, *_CLOUD_RATES), 422, "sample_rate"),
            (body.get("latency", "normal") not in ("normal", "balanced"), 422, "latency"),
            (not 0.5 <= body.get("prosody", {}).get("speed", 1.0) <= 2.0, 422, "prosody"),
        ]
    else:
        checks.append((body.get("streaming") is not True, 422, "streaming"))
    for reference in body.get("references", []):
        wrong = not isinstance(reference["audio"], bytes) or not isinstance(reference["text"], str)
        checks.append((wrong, 422, "references"))
    return next(((status, what) for bad, status, what in checks if bad), None)


def sound_of(body: dict[str, Any], rate: int) -> np.ndarray:
    """The tone for a request, int16."""
    text = _TAG.sub("", body["text"])
    speed = body.get("prosody", {}).get("speed", 1.0)
    seconds = max(0.3, len(text) * _SECONDS_PER_CHAR) / speed
    t = np.arange(round(seconds * rate)) / rate
    # A voice of its own level: far from the target, so that the engine has to do something.
    level = 0.02 if body.get("reference_id") or body.get("references") else 0.3
    # As speech does, it neither begins nor ends from one sample to the next.
    swell = np.clip(np.minimum(t, t[::-1]) / _SWELL_S, 0, 1)
    tone = level * np.sin(swell * np.pi / 2) ** 2 * np.sin(2 * np.pi * pitch_of(text) * t)
    around = np.zeros(round(_AROUND_S * rate))
    return np.rint(np.concatenate((around, tone, around)) * 32767).astype("<i2")


tone_of: Callable[[str], float] = pitch_of
