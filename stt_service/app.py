"""Application factory of the speech recognition service."""

from __future__ import annotations

import atexit
import functools
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify

from shared.core.malloc import steady_heap
from shared.engines.engine_host import EngineHost
from shared.engines.registry import remembering
from shared.http.server.app import build_app
from shared.http.server.asgi.flask_service import shell_around
from shared.http.server.asgi.shell import Shell
from stt_service.api.openai_routes import openai_routes
from stt_service.api.routes import speech_routes
from stt_service.engines import REGISTRY
from stt_service.engines.base import SttEngine
from stt_service.recognition.self_test import self_test
from stt_service.recognition.service import TranscriptionService
from stt_service.settings import SttSettings


def create_app(
    settings: SttSettings | None = None,
    builders: list[tuple[str, Callable[[], SttEngine]]] | None = None,
    proof: Callable[[SttEngine], None] | None = None,
) -> Flask:
    """Create the service's WSGI application and start loading its engines in the background.

    Args:
        settings: the settings; read from the environment where not given.
        builders: name and builder of each engine; those of the registry where not given.
        proof: check of a loaded engine that raises when it fails; the service's self-test where not
            given.

    Raises:
        UnknownModel: the settings name an engine that does not exist.
    """
    steady_heap()
    settings = settings or SttSettings()
    remembered, built = remembering(builders or REGISTRY.builders(settings.stt_engines, settings))
    host = EngineHost(
        remembered,
        queue_limit=settings.queue_limit,
        queue_timeout_s=settings.queue_timeout_s,
        self_test=proof or functools.partial(self_test, min_words=settings.stt_self_test_words),
    )

    def readiness() -> tuple[bool, dict[str, Any]]:
        return host.is_ready(), {"engines": host.status()}

    app = build_app("stt_service", settings, readiness=readiness)
    service = TranscriptionService(host, built, settings.max_audio_seconds)
    app.register_blueprint(speech_routes(service, settings.spool_bytes))
    app.register_blueprint(openai_routes(service, settings.spool_bytes))

    @app.get("/")
    def status() -> Response:
        return jsonify(status="online", message="STT service is running")

    host.start()
    atexit.register(host.close)
    return app


def create_server(settings: SttSettings | None = None) -> Shell:
    """Return the service's ASGI application, as gunicorn runs it."""
    settings = settings or SttSettings()
    return shell_around(create_app(settings), settings)
