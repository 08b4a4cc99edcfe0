"""The gateway's routes: the service that handles each path, and the gateway's own answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, jsonify, request

from gateway.proxy import forward
from gateway.settings import GatewaySettings
from gateway.web_page import page_file
from gateway.ws_relay import open_upstream, relay
from shared.core.errors import MeshError, UnknownModel
from shared.http.client.pool import UpstreamPool
from shared.http.server.openapi import operation
from shared.http.server.websocket import Socket, ws_route
from shared.wire.gateway import MeshModels, MeshStatus
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

Pools = Mapping[str, UpstreamPool]


def install(app: Flask, pools: Pools, settings: GatewaySettings) -> None:
    """Register all routes."""
    for path, (service, methods) in HTTP_ROUTES.items():
        _pass_http(app, path, pools[service], methods)
    for path, service in WS_ROUTES.items():
        _pass_socket(app, path, pools[service], settings)
    _own_routes(app, pools)


def _pass_http(app: Flask, path: str, pool: UpstreamPool, methods: tuple[str, ...]) -> None:
    def view() -> Response:
        return forward(pool, request)

    app.add_url_rule(path, endpoint=f"{pool.name}:{path}", view_func=view, methods=list(methods))


def _pass_socket(app: Flask, path: str, pool: UpstreamPool, settings: GatewaySettings) -> None:
    token = next(iter(settings.api_tokens), None)

    def session(client: Socket) -> None:
        query = [(k, v) for k, v in request.args.items(multi=True) if k != "token"]
        relay(client, open_upstream(pool, path, query, token, settings.max_body_bytes))

    session.__name__ = "relay_" + path.strip("/").replace("/", "_")
    ws_route(
        app,
        path,
        max_sessions=settings.max_sessions,
        summary=f"WebSocket of the {pool.name} service",
    )(session)


def _own_routes(app: Flask, pools: Pools) -> None:
    @app.get("/")
    @operation(
        "Health of the mesh, with the defaults",
        tag="Configuration",
        responses={200: MeshStatus},
        description="A browser (`Accept: text/html`) gets the web page.",
    )
    def home() -> Response:
        best = request.accept_mimetypes.best_match(["application/json", "text/html"])
        if best == "text/html":
            return page_file("index.html")
        try:
            answer = pools["tts"].json("GET", "/")
            config, state = answer["config"], "online"
            message = "TTS service is running"
        except (MeshError, KeyError, TypeError):
            config, state = {"voice_sample": None, "language": None}, "degraded"
            message = "TTS service is not available"
        return jsonify(status=state, message=message, config=config)

    @app.get("/static/<name>")
    def static_file(name: str) -> Response:
        return page_file(name)

    @app.get("/v1/models")
    @operation("The models of all services", tag="OpenAI", responses={200: MeshModels})
    def models() -> Response:
        merged: list[Any] = []
        missing = []
        for service in MODEL_SOURCES:
            try:
                merged += pools[service].json("GET", "/v1/models")["data"]
            except (MeshError, KeyError, TypeError):
                missing.append(service)
        answer: dict[str, Any] = {"object": "list", "data": merged}
        if missing:
            # Name the missing services, so that an incomplete list can be recognized.
            answer["unavailable"] = missing
        return jsonify(answer)

    @app.get("/v1/models/<path:model_id>")
    @operation("One model", tag="OpenAI", responses={200: Model})
    def model(model_id: str) -> Response:
        known = models().get_json()["data"]
        for entry in known:
            if entry["id"] == model_id:
                return jsonify(entry)
        raise UnknownModel(
            f"no model '{model_id[:100]}'", details={"available": [m["id"] for m in known]}
        )
