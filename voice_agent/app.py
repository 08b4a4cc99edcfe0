"""Application factory of the voice agent."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify

from shared.core.malloc import steady_heap
from shared.engines.engine_host import EngineHost
from shared.http.client.pool import UpstreamPool
from shared.http.client.stt import SttClient
from shared.http.client.tts import TtsClient
from shared.http.server.app import build_app
from shared.http.server.asgi.flask_service import shell_around
from shared.http.server.asgi.shell import Shell
from voice_agent import ws
from voice_agent.llm import REGISTRY
from voice_agent.llm.base import LlmEngine, ReplyOptions
from voice_agent.reply import Parts
from voice_agent.routes import agent_routes
from voice_agent.settings import AgentSettings


def create_app(
    settings: AgentSettings | None = None,
    builders: list[tuple[str, Callable[[], LlmEngine]]] | None = None,
) -> Flask:
    """Create the service's WSGI application and load its language models in the background.

    Args:
        settings: the settings; read from the environment where not given.
        builders: name and builder of each language model; those of the registry where not given.

    Raises:
        UnknownModel: the settings name an engine that does not exist.
    """
    steady_heap()
    settings = settings or AgentSettings()
    host = EngineHost(
        builders or REGISTRY.builders(settings.llm_engines, settings),
        queue_limit=settings.queue_limit,
        queue_timeout_s=settings.queue_timeout_s,
    )
    stt = SttClient(UpstreamPool("stt", settings.stt_url, token=settings.own_token))
    tts = TtsClient(UpstreamPool("tts", settings.tts_url, token=settings.own_token))
    options = ReplyOptions(max_tokens=settings.reply_max_tokens)
    parts = Parts(stt, tts, host, options, settings.voice_name)

    def readiness() -> tuple[bool, dict[str, Any]]:
        # The state of stt and tts is not included: the gateway asks them itself, and a turn reports
        # their errors.
        return host.is_ready(), {"engines": host.status()}

    app = build_app("voice_agent", settings, readiness=readiness)
    app.register_blueprint(agent_routes(parts, settings))
    ws.install(app, parts, settings)

    @app.get("/")
    def status() -> Response:
        return jsonify(status="online", message="Voice agent is running")

    host.start()
    atexit.register(host.close)
    return app


def create_server(settings: AgentSettings | None = None) -> Shell:
    """Return the service's ASGI application, as gunicorn runs it."""
    settings = settings or AgentSettings()
    return shell_around(create_app(settings), settings)
