"""A tiny gateway that answers the wire contracts, on a real port, with what it was asked."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask, Response, jsonify, request

from mesh.cli import group
from shared.audio.pcm import AudioFormat
from shared.audio.wav import wav_header
from shared.core.errors import MeshError, NotReady, UnknownVoice, UnsupportedMedia
from shared.core.settings import CommonSettings
from shared.http.server.asgi.flask_service import shell_around, ws_route
from shared.http.server.asgi.shell import Shell
from shared.http.server.asgi.socket import Socket
from tests.asgi_server import AsgiServer

PORTS = {"PORT": "18000", "TTS_PORT": "15000", "STT_PORT": "15001", "AGENT_PORT": "15002"}
TOKEN = "s3cret"
SAMPLES = b"\x01\x00" * 2400


@dataclass
class Gateway:
    """Where it listens, and the requests it got."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    token: str = ""


def _streamed() -> Iterator[bytes]:
    yield wav_header(AudioFormat(24_000), None)
    yield SAMPLES[:3]
    yield SAMPLES[3:]


def _application(gateway: Gateway) -> Flask:
    app = Flask("fake-gateway")

    @app.errorhandler(MeshError)
    def fault(error: MeshError) -> tuple[Response, int, dict[str, str]]:
        headers = {}
        if error.retry_after:
            headers["Retry-After"] = str(error.retry_after)
        return jsonify(error.body()), error.status, headers

    def speak() -> Response:
        body = request.get_json()
        gateway.asked.append(body)
        if body.get("voice") == "nobody":
            raise UnknownVoice("no voice called 'nobody'", details={"available": ["heart"]})
        if body["text"] == "busy":
            raise NotReady("models are loading")
        headers = {"X-Engine": "fake", "X-Voice": "heart", "X-Sample-Rate": "24000"}
        if body.get("format") == "pcm":
            return Response(SAMPLES, headers=headers)
        if body["text"] == "cut":
            # Longer than what comes: the connection ends early.
            return Response(
                iter([wav_header(AudioFormat(24_000), None)]), headers={"Content-Length": "9999"}
            )
        headers["X-Ignored-Parameters"] = "emotion"
        return Response(_streamed(), headers=headers)

    app.post("/synthesize", endpoint="synthesize")(speak)
    app.post("/api/tts/stream", endpoint="stream")(speak)

    @app.post("/v1/audio/transcriptions")
    def transcribe() -> Response:
        data = request.files["file"].read()
        gateway.asked.append({**request.form, "bytes": len(data)})
        if data == b"noise":
            raise UnsupportedMedia("no audio that can be decoded", param="file")
        if request.form["response_format"] == "json":
            return jsonify(text="olá")
        return Response("olá, mundo\n", content_type="text/plain")

    @app.get("/v1/audio/voices")
    def voices() -> Response:
        rows = [
            {"id": "heart", "language": "en-us", "gender": "female", "engine": "hibari"},
            {"id": "pf_dora", "language": "pt-br", "engine": "kokoro", "aliases": ["dora"]},
        ]
        return jsonify(object="list", voices=rows)

    @ws_route(app, "/ws", summary="Converse")
    def converse(ws: Socket) -> None:
        while (heard := ws.receive()) is not None:
            gateway.asked.append({"bytes": len(heard)})
            if heard == b"silence":
                ws.send(json.dumps({"event": "no_speech", "transcription": "", "llama": ""}))
            elif heard == b"fault":
                ws.send(json.dumps({"transcription": "hi", "llama": "there"}))
                ws.send(json.dumps(NotReady("no voice is ready").body()))
            elif heard == b"bye":
                ws.close(1013, "too many sessions")
            else:
                ws.send(json.dumps({"transcription": "hi", "llama": "hello"}))
                ws.send(wav_header(AudioFormat(24_000), len(SAMPLES)) + SAMPLES)

    return app


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    found = Gateway()
    app = _application(found)
    shells: dict[str, Shell] = {}

    async def behind_the_token(scope: Any, receive: Any, send: Any) -> None:
        token = found.token
        if token not in shells:
            settings = CommonSettings(_env_file=None, api_tokens=token)
            shells[token] = shell_around(app, settings)
        if scope["type"] == "http":
            scope["headers"] = [*scope["headers"], (b"x-request-id", b"req_1")]
        await shells[token](scope, receive, send)

    server = AsgiServer(behind_the_token)
    found.url = server.url
    yield found
    server.close()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """No settings of the machine, and no proxy, reach a test."""
    for name in ("MESH_URL", "MESH_TOKEN", "API_TOKENS", "API_TOKEN", "PORT", "API_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("MESH_OFFLINE", "MESH_WHEELS", "MESH_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("mesh.environment.ROOT", tmp_path / "root")


Mesh = Callable[..., Result]


@pytest.fixture
def mesh(gateway: Gateway, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Mesh:
    """Runs ``mesh …`` in a folder of its own against the fake gateway."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MESH_URL", gateway.url)

    def run(*words: str, stdin: bytes | str | None = None) -> Result:
        given = io.BytesIO(stdin) if isinstance(stdin, bytes) else stdin
        return CliRunner().invoke(group, list(words), input=given, prog_name="mesh")

    return run


@pytest.fixture
def bare_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings of a machine that has none but these."""
    for name in ("TTS_ENGINES", "STT_ENGINES", "LLM_ENGINES", "WHISPER_MODEL", "LLM_GGUF_PATH"):
        monkeypatch.delenv(name, raising=False)
    for name in ("BIND_HOST", "API_HOST", "TTS_URL", "STT_URL", "AGENT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in PORTS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VOICEMESH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "root").mkdir()
