"""Build the Flask application with the routes and handlers that all services share."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Collection
from typing import Any

from flask import Flask, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_flask_exporter import PrometheusMetrics

from shared.core.log import configure_logging
from shared.core.settings import CommonSettings
from shared.http.server import error_responses
from shared.http.server.auth import require_token
from shared.http.server.docs_page import render_docs
from shared.http.server.middleware import Middleware
from shared.http.server.openapi import build_spec, operation
from shared.wire.probes import Liveness, Readiness

OPEN_PATHS = frozenset({"/livez", "/readyz", "/metrics", "/openapi.json", "/docs"})
"""Paths that need no token: probes, metrics, and the specification, which is public anyway."""

_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_STRICT_CSP = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


def build_app(
    service: str,
    settings: CommonSettings,
    *,
    readiness: Callable[[], tuple[bool, dict[str, Any]]],
    open_paths: Collection[str] = frozenset(),
    spec: Callable[[], dict[str, Any]] | None = None,
    more_metrics: Callable[[bytes], bytes] | None = None,
) -> Flask:
    """Build a Flask application with the features that all services share.

    These are JSON logs, request ids, the standard error responses, bearer tokens, the body size
    limit, the limit on concurrent requests, security headers, ``/livez``, ``/readyz``,
    ``/metrics``, ``/openapi.json`` and ``/docs``.

    Args:
        service: name of the process in logs and titles.
        settings: limits, tokens, log level.
        readiness: called for ``/readyz``; returns whether the service is ready, and details.
        open_paths: further paths that need no token.
        spec: returns the OpenAPI data; None to generate it from the application's routes.
        more_metrics: maps this process's metrics in the text format to the response of
            ``/metrics``.
    """
    configure_logging(service, settings.effective_log_level)
    app = Flask(service, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.config["MAX_FORM_MEMORY_SIZE"] = 2 * 1024 * 1024
    # Pings detect half-open sockets, which would otherwise keep their threads.
    app.config["SOCK_SERVER_OPTIONS"] = {
        "ping_interval": 25,
        "max_message_size": settings.max_body_bytes,
        # A browser that passes its token as a subprotocol requires the server to select one of
        # those it offered.
        "subprotocols": ["realtime", "voicemesh"],
    }
    app.json.sort_keys = False  # type: ignore[attr-defined]  # declared on the default provider
    error_responses.install(app)
    registry = CollectorRegistry()
    # Exclude probes and WebSockets, which would dominate the request histogram; they have their own
    # metrics.
    PrometheusMetrics(
        app,
        path=None,
        registry=registry,
        group_by="url_rule",
        excluded_paths=["^/livez$", "^/readyz$", "^/metrics$", "^/ws.*", "^/v1/realtime$"],
    )
    unlocked = OPEN_PATHS | frozenset(open_paths)

    @app.before_request
    def _guard() -> None:
        rule = request.url_rule
        request.environ[error_responses.ROUTE] = rule.rule if rule is not None else "unmatched"
        if request.path not in unlocked:
            require_token(request, settings.api_tokens)

    @app.after_request
    def _harden(response: Response) -> Response:
        for name, value in _SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Content-Security-Policy", _STRICT_CSP)
        return response

    @app.get("/livez")
    @operation("Whether the process lives", tag="Operation", responses={200: Liveness})
    def livez() -> Response:
        return jsonify(status="alive")

    @app.get("/readyz")
    @operation(
        "Whether the service can answer, and if not, why",
        tag="Operation",
        responses={200: Readiness, 503: Readiness},
    )
    def readyz() -> tuple[Response, int]:
        ready, details = readiness()
        answer = jsonify(status="ready" if ready else "not_ready", **details)
        if not ready:
            answer.headers["Retry-After"] = "2"
        return answer, 200 if ready else 503

    @app.get("/metrics")
    @operation("Metrics for Prometheus", tag="Operation", responses={200: ["text/plain"]})
    def metrics() -> Response:
        own = generate_latest(REGISTRY) + generate_latest(registry)
        text = more_metrics(own) if more_metrics else own
        return Response(text, content_type=CONTENT_TYPE_LATEST)

    @app.get("/openapi.json")
    def openapi() -> Response:
        made = spec() if spec else build_spec(app, title=f"Voicemesh {service}", version=version())
        return jsonify(made)

    @app.get("/docs")
    def docs() -> Response:
        return Response(render_docs(openapi().get_json()), mimetype="text/html")

    app.wsgi_app = Middleware(app.wsgi_app, settings.max_requests)  # type: ignore[method-assign]
    return app


def version() -> str:
    """Return the installed version of the mesh, or ``0+source`` without an installation."""
    try:
        return importlib.metadata.version("voicemesh")
    except importlib.metadata.PackageNotFoundError:
        return "0+source"
