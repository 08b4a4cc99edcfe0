"""Create the gateway's Flask application."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from flask import Flask, request

from gateway import origin_check, routes
from gateway.rate_limit import RateLimit
from gateway.settings import GatewaySettings
from gateway.upstream_metrics import UpstreamMetrics
from shared.core.metrics import UPSTREAM_UP
from shared.http.client.pool import UpstreamPool
from shared.http.server.app import build_app, version
from shared.http.server.middleware import PROBES

log = logging.getLogger(__name__)

OPEN_PATHS = frozenset({"/", "/static/app.js", "/static/style.css", "/static/icon.svg"})
"""Paths that need no token: the health answer, which only says that the mesh is up, and the web
page, which asks for the token.
"""


def _specification() -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(Path(__file__).with_name("openapi.json").read_text("utf-8"))
    spec["info"]["version"] = version()
    return spec


def create_app(settings: GatewaySettings | None = None) -> Flask:
    """Create the gateway's WSGI application; settings default to those of the environment."""
    settings = settings or GatewaySettings()
    token = next(iter(settings.api_tokens), None)
    pools = {
        name: UpstreamPool(name, urls, token=token, read_timeout_s=settings.upstream_timeout_s)
        for name, urls in (
            ("tts", settings.tts_url),
            ("stt", settings.stt_url),
            ("agent", settings.agent_url),
        )
    }

    def readiness() -> tuple[bool, dict[str, Any]]:
        with ThreadPoolExecutor(len(pools)) as executor:
            states = dict(
                zip(pools, executor.map(UpstreamPool.is_ready, pools.values()), strict=True)
            )
        for name, up in states.items():
            UPSTREAM_UP.labels(upstream=name).set(up)
        report = {name: "ready" if up else "not_ready" for name, up in states.items()}
        return all(states.values()), {"upstreams": report}

    app = build_app(
        "gateway",
        settings,
        readiness=readiness,
        open_paths=OPEN_PATHS,
        spec=_specification,
        more_metrics=UpstreamMetrics(pools).add_to,
    )
    limit = RateLimit(settings.rate_limit_per_minute, by_token=bool(settings.api_tokens))

    @app.before_request
    def _limit() -> None:
        if request.path not in PROBES:
            limit.check(request)

    origin_check.install(app, settings)
    routes.install(app, pools, settings)
    if not settings.api_tokens:
        log.warning(
            "no API_TOKENS: anybody who reaches the port may use the mesh",
            extra={"bind_host": settings.bind_host},
        )
    return app
