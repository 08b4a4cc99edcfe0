"""Build the Flask application with the routes and handlers that all services share."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_flask_exporter import PrometheusMetrics

from shared.core.log import configure_logging
from shared.core.settings import CommonSettings
from shared.http.server import error_responses
from shared.http.server.asgi.record import RECORD
from shared.http.server.docs_page import render_docs
from shared.http.server.openapi import build_spec, entries_of, operation
from shared.wire.probes import Liveness, Readiness


def build_app(
    service: str,
    settings: CommonSettings,
    *,
    readiness: Callable[[], tuple[bool, dict[str, Any]]],
) -> Flask:
    """Return a Flask application with what the model workers share.

    Installed: JSON logs, error responses, ``/livez``, ``/readyz``, ``/metrics``, ``/openapi.json``
    and ``/docs``. Tokens, limits, request ids and the access log are those of the shell, behind
    which :func:`shared.http.server.asgi.flask_service.shell_around` serves it.

    Args:
        service: name of the process in logs and titles.
        settings: limits and log level.
        readiness: called for ``/readyz``; returns whether the service is ready, and details.
    """
    configure_logging(service, settings.effective_log_level)
    app = Flask(service, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.config["MAX_FORM_MEMORY_SIZE"] = 2 * 1024 * 1024
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

    @app.before_request
    def _note_route() -> None:
        record = request.environ.get(RECORD)
        if record is not None and request.url_rule is not None:
            record.route = request.url_rule.rule

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
        text = generate_latest(REGISTRY) + generate_latest(registry)
        return Response(text, content_type=CONTENT_TYPE_LATEST)

    @app.get("/openapi.json")
    def openapi() -> Response:
        return jsonify(build_spec(entries_of(app), title=f"Voicemesh {service}", version=version()))

    @app.get("/docs")
    def docs() -> Response:
        return Response(render_docs(openapi().get_json()), mimetype="text/html")

    return app


def version() -> str:
    """Return the installed version of the mesh, or ``0+source`` without an installation."""
    try:
        return importlib.metadata.version("voicemesh")
    except importlib.metadata.PackageNotFoundError:
        return "0+source"
