"""Check host names and web origins, and answer CORS requests.

Without tokens the mesh trusts every client on loopback. A web page in the user's browser can also
reach loopback, through a foreign origin or a DNS name rebound to 127.0.0.1. This module rejects
both.
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
    """Return the host of a ``Host`` header or an origin's authority, without the port."""
    return (urlsplit(f"//{authority}").hostname or "").lower()


def check_host(authority: str, settings: GatewaySettings) -> None:
    """Reject a ``Host`` that is neither loopback nor configured, if no tokens are configured.

    Raises:
        Forbidden: the host is not accepted.
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
    """Return whether ``origin`` is neither the gateway's own nor a configured one."""
    if origin in settings.cors_origins or "*" in settings.cors_origins:
        return False
    return urlsplit(origin).netloc.lower() != authority.lower()


def install(app: Flask, settings: GatewaySettings) -> None:
    """Check every request of ``app``, and answer CORS requests if origins are configured."""

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

    # A preflight request carries no token, so this check must run before the token check.
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
