"""Who may call from where: host names, web origins, CORS.

Without tokens the mesh trusts whoever reaches loopback. A web page in the user's own browser
reaches it too, through a foreign origin or a DNS name rebound to 127.0.0.1; both are refused here.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, request

from gateway.settings import GatewaySettings
from shared.core.errors import Forbidden
from shared.core.settings import is_loopback

_ALLOW_HEADERS = "Authorization, Content-Type, X-Request-ID"
_EXPOSE_HEADERS = (
    "X-Request-ID, X-Engine, X-Voice, X-Voice-Similarity, X-Ignored-Parameters, X-Sample-Rate, "
    "X-Fallback, Retry-After"
)
_PREFLIGHT_AGE_S = "600"


def host_name(authority: str) -> str:
    """The host of a ``Host`` header or an origin's authority, without its port."""
    return (urlsplit(f"//{authority}").hostname or "").lower()


def check_host(authority: str, settings: GatewaySettings) -> None:
    """Refuse a ``Host`` that is neither loopback nor configured, while no token protects us.

    Raises:
        Forbidden: as said.
    """
    if settings.api_tokens or settings.allow_open_access:
        return
    name = host_name(authority)
    if not is_loopback(name) and name not in settings.allowed_hosts:
        raise Forbidden(
            f"host '{name[:100]}' is not accepted without API_TOKENS; see ALLOWED_HOSTS",
            code="host_not_allowed",
        )


def is_foreign(origin: str, authority: str, settings: GatewaySettings) -> bool:
    """Whether a request's ``Origin`` is neither our own nor configured."""
    if origin in settings.cors_origins or "*" in settings.cors_origins:
        return False
    return urlsplit(origin).netloc.lower() != authority.lower()


def install(app: Flask, settings: GatewaySettings) -> None:
    """Check every request of ``app``; answer CORS where origins are configured."""

    @app.before_request
    def _check() -> Response | None:
        check_host(request.host, settings)
        origin = request.headers.get("Origin")
        if origin is not None and is_foreign(origin, request.host, settings):
            raise Forbidden(
                "this web origin may not call the mesh; see CORS_ORIGINS", code="origin_not_allowed"
            )
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return Response(status=204)
        return None

    # The preflight has no token and must be answered before one is asked for.
    checks = app.before_request_funcs[None]
    checks.insert(0, checks.pop())

    @app.after_request
    def _cors(response: Response) -> Response:
        origin = request.headers.get("Origin")
        if origin is None or not settings.cors_origins:
            return response
        response.headers.add("Vary", "Origin")
        if not is_foreign(origin, request.host, settings):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _EXPOSE_HEADERS
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
            if request.method == "OPTIONS":
                response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
                response.headers["Access-Control-Allow-Headers"] = _ALLOW_HEADERS
                response.headers["Access-Control-Max-Age"] = _PREFLIGHT_AGE_S
        return response
