"""Application factory of the speech synthesis service."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from typing import Any

from flask import Flask

from shared.cache import open_cache
from shared.core.malloc import steady_heap
from shared.engines.engine_host import EngineHost
from shared.engines.registry import remembering
from shared.http.server.app import build_app
from shared.http.server.asgi.flask_service import shell_around
from shared.http.server.asgi.shell import Shell
from tts_service.api import ws
from tts_service.api.openai_routes import openai_routes
from tts_service.api.routes import speech_routes
from tts_service.engines import REGISTRY
from tts_service.engines.base import TtsEngine
from tts_service.settings import TtsSettings
from tts_service.synthesis.result_cache import NAME, ResultCache
from tts_service.synthesis.self_test import self_test
from tts_service.synthesis.service import SpeechService
from tts_service.voices.defaults import Defaults, DefaultsStore
from tts_service.voices.folder import VoicesFolder


def create_app(
    settings: TtsSettings | None = None,
    builders: list[tuple[str, Callable[[], TtsEngine]]] | None = None,
    proof: Callable[[TtsEngine], None] | None = None,
) -> Flask:
    """Create the service's WSGI application and start loading its engines in the background.

    Args:
        settings: the settings; read from the environment where not given.
        builders: name and builder of each engine; those of the registry where not given.
        proof: check of a loaded engine that raises when it fails; the service's self-test where not
            given.

    Raises:
        UnknownModel: the settings name an engine that does not exist.
        InvalidRequest, NotReady: the settings name a cache that does not exist or is not installed.
    """
    steady_heap()
    settings = settings or TtsSettings()
    remembered, built = remembering(builders or REGISTRY.builders(settings.tts_engines, settings))
    host = EngineHost(
        remembered,
        queue_limit=settings.queue_limit,
        queue_timeout_s=settings.queue_timeout_s,
        self_test=proof or self_test,
    )
    service = SpeechService(
        host,
        settings,
        VoicesFolder(settings.voices_dirs, settings.max_reference_bytes),
        DefaultsStore(settings.state / "tts" / "defaults.json", Defaults(settings.tts_language)),
        built,
        _results(settings),
    )

    def readiness() -> tuple[bool, dict[str, Any]]:
        return host.is_ready(), {"engines": host.status()}

    app = build_app("tts_service", settings, readiness=readiness)
    app.register_blueprint(speech_routes(service, settings))
    app.register_blueprint(openai_routes(service))
    ws.install(app, service, settings.max_sessions)
    app.extensions["tts_service"] = service
    host.start()
    atexit.register(host.close)
    atexit.register(service.close)
    return app


def _results(settings: TtsSettings) -> ResultCache | None:
    cache = open_cache(
        settings.cache_url,
        name=NAME,
        home=settings.home,
        max_bytes=settings.cache_max_bytes,
        ttl_s=settings.cache_ttl_s,
    )
    return None if cache is None else ResultCache(cache)


def create_server(settings: TtsSettings | None = None) -> Shell:
    """Return the service's ASGI application, as gunicorn runs it."""
    settings = settings or TtsSettings()
    return shell_around(create_app(settings), settings)
