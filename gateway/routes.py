"""The gateway's routes: the service that handles each path, and the gateway's own answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from gateway.probes import SharedProbe
from gateway.proxy import Check, Forward
from gateway.settings import GatewaySettings
from gateway.upstream import Upstream
from gateway.upstream_metrics import UpstreamMetrics
from gateway.web_page import page_file
from shared.core.errors import UnknownModel, UpstreamUnavailable
from shared.core.metrics import UPSTREAM_UP
from shared.http.server.asgi.record import Scope, record_of
from shared.http.server.auth import presented_token
from shared.http.server.config_tokens import require_config_token
from shared.http.server.docs_page import render_docs
from shared.http.server.openapi import Entry, Operation, operation
from shared.wire.gateway import MeshModels, MeshStatus
from shared.wire.probes import Liveness, Readiness
from shared.wire.speech import Model

HTTP_ROUTES: dict[str, tuple[str, tuple[str, ...]]] = {
    "/synthesize": ("tts", ("POST",)),
    "/generate-voice": ("tts", ("POST",)),
    "/api/config": ("tts", ("GET", "POST")),
    "/api/tts/batch": ("tts", ("POST",)),
    "/api/tts/stream": ("tts", ("POST",)),
    "/v1/audio/speech": ("tts", ("POST",)),
    "/v1/audio/voices": ("tts", ("GET",)),
    "/transcribe": ("stt", ("POST",)),
    "/v1/audio/transcriptions": ("stt", ("POST",)),
    "/v1/audio/translations": ("stt", ("POST",)),
    "/api/converse": ("agent", ("POST",)),
}
"""Path → (service, methods). The services' own ports serve the same paths."""

WS_ROUTES: dict[str, str] = {"/ws/tts": "tts", "/ws": "agent"}

MODEL_SOURCES = ("tts", "stt", "agent")
READY_FRESH_S = 1.0
"""How long the verdict on a service's readiness is used again, seconds."""

Upstreams = Mapping[str, Upstream]
View = Callable[[Request], Awaitable[Response]]


def http_routes(
    upstreams: Upstreams,
    specification: Callable[[], dict[str, Any]],
    settings: GatewaySettings,
) -> Router:
    """Return the application of all HTTP routes."""

    def may_configure(scope: Scope) -> None:
        # The service is asked with the mesh's own token, so that it cannot tell who asks.
        if scope["method"] == "POST":
            token = presented_token(Headers(scope=scope), {}, websocket=False)
            require_config_token(token, settings)

    checks: dict[str, Check] = {"/api/config": may_configure}
    forwarded = [
        Route(
            path,
            _Noted(path, Forward(upstreams[service], checks.get(path))),
            methods=list(methods),
        )
        for path, (service, methods) in HTTP_ROUTES.items()
    ]
    own = OwnRoutes(upstreams, specification).routes()
    return Router([*forwarded, *own], redirect_slashes=False)


class _Noted:
    """An ASGI application that notes its route for metrics and the access log."""

    def __init__(self, path: str, app: Any) -> None:
        self._path = path
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        record_of(scope).route = self._path
        await self._app(scope, receive, send)


class OwnRoutes:
    """The gateway's own answers.

    Args:
        upstreams: the services by name.
        specification: gives the OpenAPI specification.
    """

    def __init__(self, upstreams: Upstreams, specification: Callable[[], dict[str, Any]]) -> None:
        self._upstreams = upstreams
        self._specification = specification
        self._metrics = UpstreamMetrics(upstreams)
        self._ready = {
            name: SharedProbe(upstream.is_ready, late=False, fresh_s=READY_FRESH_S)
            for name, upstream in upstreams.items()
        }
        self._models = {
            name: SharedProbe(_or_none(upstreams[name], "/v1/models"), late=None)
            for name in MODEL_SOURCES
        }
        self._home = SharedProbe(_or_none(upstreams["tts"], "/"), late=None)

    def routes(self) -> list[Route]:
        """Return the routes with their paths."""
        return [
            _route("/livez", self.livez),
            _route("/readyz", self.readyz),
            _route("/metrics", self.metrics),
            _route("/openapi.json", self.openapi),
            _route("/docs", self.docs),
            _route("/", self.home),
            _route("/static/{name}", self.static_file),
            _route("/v1/models", self.models),
            _route("/v1/models/{model_id:path}", self.model),
        ]

    @operation("Whether the process lives", tag="Operation", responses={200: Liveness})
    async def livez(self, _: Request) -> Response:
        """Answer that the process lives."""
        return JSONResponse({"status": "alive"})

    @operation(
        "Whether the service can answer, and if not, why",
        tag="Operation",
        responses={200: Readiness, 503: Readiness},
    )
    async def readyz(self, _: Request) -> Response:
        """Answer whether every service is ready."""
        verdicts = await asyncio.gather(*(probe.answer() for probe in self._ready.values()))
        states = dict(zip(self._ready, verdicts, strict=True))
        for name, up in states.items():
            UPSTREAM_UP.labels(upstream=name).set(up)
        report = {name: "ready" if up else "not_ready" for name, up in states.items()}
        if all(states.values()):
            return JSONResponse({"status": "ready", "upstreams": report})
        return JSONResponse(
            {"status": "not_ready", "upstreams": report}, 503, headers={"Retry-After": "2"}
        )

    @operation("Metrics for Prometheus", tag="Operation", responses={200: ["text/plain"]})
    async def metrics(self, _: Request) -> Response:
        """Answer with the metrics of the gateway and of all services."""
        text = await self._metrics.add_to(generate_latest(REGISTRY))
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def openapi(self, _: Request) -> Response:
        """Answer with the specification."""
        return JSONResponse(self._specification())

    async def docs(self, _: Request) -> Response:
        """Answer with the documentation page."""
        return Response(render_docs(self._specification()), media_type="text/html")

    @operation(
        "Health of the mesh, with the defaults",
        tag="Configuration",
        responses={200: MeshStatus},
        description="A browser (`Accept: text/html`) gets the web page.",
    )
    async def home(self, request: Request) -> Response:
        """Answer with the mesh's state, or with the page for a browser."""
        if _prefers_html(request.headers.get("accept", "")):
            return page_file("index.html")
        answer = await self._home.answer()
        config = answer.get("config") if isinstance(answer, dict) else None
        if config is None:
            config, state = {"voice_sample": None, "language": None}, "degraded"
            message = "TTS service is not available"
        else:
            state, message = "online", "TTS service is running"
        return JSONResponse({"status": state, "message": message, "config": config})

    async def static_file(self, request: Request) -> Response:
        """Answer with a file of the page."""
        return page_file(request.path_params["name"])

    @operation("The models of all services", tag="OpenAI", responses={200: MeshModels})
    async def models(self, _: Request) -> Response:
        """Answer with the models of all services."""
        return JSONResponse(await self._all_models())

    @operation("One model", tag="OpenAI", responses={200: Model})
    async def model(self, request: Request) -> Response:
        """Answer with one model."""
        model_id = request.path_params["model_id"]
        known = (await self._all_models())["data"]
        for entry in known:
            if entry["id"] == model_id:
                return JSONResponse(entry)
        raise UnknownModel(
            f"no model '{model_id[:100]}'", details={"available": [m["id"] for m in known]}
        )

    async def _all_models(self) -> dict[str, Any]:
        answers = await asyncio.gather(*(probe.answer() for probe in self._models.values()))
        merged: list[Any] = []
        missing = []
        for service, answer in zip(self._models, answers, strict=True):
            data = answer.get("data") if isinstance(answer, dict) else None
            if isinstance(data, list):
                merged += data
            else:
                missing.append(service)
        found: dict[str, Any] = {"object": "list", "data": merged}
        if missing:
            # Name the missing services, so that an incomplete list can be recognized.
            found["unavailable"] = missing
        return found


def documented(routes: OwnRoutes) -> list[Entry]:
    """Return the gateway's own routes for the OpenAPI specification."""
    entries: list[Entry] = []
    for route in routes.routes():
        marked: Operation | None = getattr(route.endpoint, "__operation__", None)
        if marked is not None:
            path = route.path.replace(":path}", "}")
            entries.append((path, "get", route.name, marked))
    return sorted(entries, key=lambda entry: entry[:2])


def _route(path: str, view: View) -> Route:
    async def noted(request: Request) -> Response:
        record_of(request.scope).route = path
        return await view(request)

    noted.__name__ = view.__name__
    noted.__dict__.update(getattr(view, "__dict__", {}))
    return Route(path, noted, methods=["GET"])


def _or_none(upstream: Upstream, path: str) -> Callable[[], Awaitable[Any]]:
    async def ask() -> Any:
        try:
            return await upstream.get_json(path)
        except UpstreamUnavailable:
            return None

    return ask


def _prefers_html(accept: str) -> bool:
    """Return whether a browser asks: HTML is named, and JSON is not named before it."""
    html, json_ = accept.find("text/html"), accept.find("application/json")
    return html >= 0 and (json_ < 0 or html < json_)
