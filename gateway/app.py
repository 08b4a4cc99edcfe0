"""Create the gateway's ASGI application."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from gateway.routes import WS_ROUTES, http_routes
from gateway.settings import GatewaySettings
from gateway.upstream import Upstream
from gateway.ws_relay import relay_to
from shared.core.log import configure_logging
from shared.http.server.app import version
from shared.http.server.asgi.shell import Shell

log = logging.getLogger(__name__)

OPEN_PATHS = frozenset({"/", "/static/app.js", "/static/style.css", "/static/icon.svg"})
"""Paths that need no token: the health answer, which only says that the mesh is up, and the web
page, which asks for the token.
"""


def specification() -> dict[str, Any]:
    """Return the OpenAPI specification of the whole mesh."""
    spec: dict[str, Any] = json.loads(Path(__file__).with_name("openapi.json").read_text("utf-8"))
    spec["info"]["version"] = version()
    return spec


def create_server(settings: GatewaySettings | None = None) -> Shell:
    """Return the gateway's ASGI application; settings default to those of the environment."""
    settings = settings or GatewaySettings()
    configure_logging("gateway", settings.effective_log_level)
    token = settings.own_token
    upstreams = {
        name: Upstream(name, urls, token=token, silence_s=settings.upstream_timeout_s)
        for name, urls in (
            ("tts", settings.tts_url),
            ("stt", settings.stt_url),
            ("agent", settings.agent_url),
        )
    }

    async def close() -> None:
        for upstream in upstreams.values():
            await upstream.close()

    if not settings.api_tokens:
        log.warning(
            "no API_TOKENS: anybody who reaches the port may use the mesh",
            extra={"bind_host": settings.bind_host},
        )
    return Shell(
        http_routes(upstreams, specification, settings),
        settings,
        sockets={
            path: relay_to(upstreams[service], path, settings.max_body_bytes)
            for path, service in WS_ROUTES.items()
        },
        open_paths=OPEN_PATHS,
        requests_per_minute=settings.rate_limit_per_minute,
        on_stop=close,
    )
