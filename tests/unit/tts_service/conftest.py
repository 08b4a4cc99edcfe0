"""The service with fake engines: real wiring, real HTTP stack, tones instead of speech."""

from __future__ import annotations

import logging
import os
import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from shared.http.server.asgi.flask_service import shell_around
from tests.asgi_server import AsgiServer
from tts_service.app import create_app
from tts_service.engines.base import TtsEngine
from tts_service.engines.fake import FakeEngine
from tts_service.settings import TtsSettings
from tts_service.synthesis.service import SpeechService

AppFactory = Callable[..., Flask]
Builder = tuple[str, Callable[[], TtsEngine]]


@pytest.fixture
def voices(tmp_path: Path) -> Path:
    folder = tmp_path / "voices"
    folder.mkdir()
    return folder


@pytest.fixture
def make_app(tmp_path: Path, voices: Path) -> Iterator[AppFactory]:
    """``make_app(*engines, **settings)``: an application whose engines have been tried."""
    made: list[Flask] = []

    def make(
        *engines: TtsEngine, wait: bool = True, more: Sequence[Builder] = (), **overrides: Any
    ) -> Flask:
        engines = engines or (FakeEngine(),)
        builders: list[Builder] = [(e.spec.name, lambda e=e: e) for e in engines]
        builders.extend(more)
        values: dict[str, Any] = {
            "voicemesh_home": tmp_path / "home",
            "voices_dirs": (voices,),
            "tts_engines": tuple(name for name, _ in builders),
            **overrides,
        }
        app = create_app(TtsSettings(_env_file=None, **values), builders, proof=lambda _: None)
        made.append(app)
        if wait:
            assert service_of(app).host.wait_settled(10)
        return app

    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield make
    for app in made:
        service_of(app).host.close()
    # The application configures the process's logging; pytest wants its own back.
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def client(make_app: AppFactory) -> FlaskClient:
    return make_app().test_client()


@pytest.fixture
def serve() -> Iterator[Callable[..., AsgiServer]]:
    """``serve(app)``: the application behind its shell, on a real port."""
    running: list[AsgiServer] = []

    def start(app: Flask, **values: Any) -> AsgiServer:
        running.append(AsgiServer(shell_around(app, TtsSettings(_env_file=None, **values))))
        return running[-1]

    yield start
    for server in running:
        server.stop()
    for server in running:
        server.close()


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[None]]:
    """A context in which temporary files can be created but not written."""
    create = tempfile.mkstemp

    def on_full_disk(*args: Any, **options: Any) -> tuple[int, str]:
        handle, path = create(*args, **options)
        os.close(handle)
        return os.open("/dev/full", os.O_WRONLY), path

    @contextmanager
    def full() -> Iterator[None]:
        with monkeypatch.context() as patched:
            patched.setattr(tempfile, "mkstemp", on_full_disk)
            yield

    return full


def service_of(app: Flask) -> SpeechService:
    service: SpeechService = app.extensions["tts_service"]
    return service


def engine_of_rate(rate: int) -> FakeEngine:
    """A fake engine whose audio has another sample rate than the default one."""
    engine = FakeEngine()
    engine._spec = replace(engine._spec, sample_rate=rate)
    return engine


def samples_of(wav: bytes) -> np.ndarray:
    """The int16 samples behind a 44-byte header."""
    assert wav[:4] == b"RIFF"
    assert wav[8:12] == b"WAVE"
    return np.frombuffer(wav[44:], "<i2")


def data_length(wav: bytes) -> int:
    (length,) = struct.unpack("<I", wav[40:44])
    return int(length)


def dominant_hz(samples: np.ndarray, rate: int = 24_000) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return float(np.argmax(spectrum) * rate / samples.size)
