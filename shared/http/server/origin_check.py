"""Check host names and web origins, and answer CORS requests.

Without tokens every client on loopback is trusted. A web page in the user's browser can reach
loopback too, through a foreign origin or a DNS name rebound to 127.0.0.1. Both are rejected on
every port.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from shared.core.errors import Forbidden
from shared.core.settings import CommonSettings, is_loopback

_ALLOW_HEADERS = b"Authorization, Content-Type, X-Request-ID"
_EXPOSE_HEADERS = (
    b"X-Request-ID, X-Engine, X-Voice, X-Voice-Similarity, X-Ignored-Parameters, X-Sample-Rate, "
    b"X-Fallback, Retry-After"
)
_PREFLIGHT_AGE_S = b"600"


def host_name(authority: str) -> str:
    """Return the host of a ``Host`` header or an origin's authority, without the port.

    Empty where it cannot be parsed.
    """
    try:
        return (urlsplit(f"//{authority}").hostname or "").lower()
    except ValueError:
        return ""


def is_ours(name: str) -> bool:
    """Return whether ``name`` is safe from DNS rebinding.

    Addresses are, and names without a dot, such as those of containers: no public DNS has them.
    """
    if is_loopback(name):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name != "" and "." not in name
    return True


class OriginCheck:
    """The check for one service.

    Args:
        settings: tokens, ``ALLOWED_HOSTS`` and ``CORS_ORIGINS``.
    """

    def __init__(self, settings: CommonSettings) -> None:
        self._trusting = not settings.api_tokens and not settings.allow_open_access
        self._hosts = frozenset(settings.allowed_hosts)
        self._origins = frozenset(settings.cors_origins)

    def check(self, headers: Mapping[str, str], method: str) -> bool:
        """Check the host and the origin of a request.

        Returns:
            Whether the request is a CORS preflight, which carries no token and is answered with
            204.

        Raises:
            Forbidden: the host or the origin is not accepted.
        """
        authority = headers.get("host", "")
        name = host_name(authority)
        if self._trusting and not is_ours(name) and name not in self._hosts:
            raise Forbidden(
                f"host '{name[:100]}' is not accepted without API_TOKENS; see ALLOWED_HOSTS",
                code="host_not_allowed",
            )
        origin = headers.get("origin")
        if origin is not None and self.is_foreign(origin, authority):
            raise Forbidden(
                "this web origin may not call the mesh; see CORS_ORIGINS", code="origin_not_allowed"
            )
        return method == "OPTIONS" and "access-control-request-method" in headers

    def is_foreign(self, origin: str, authority: str) -> bool:
        """Return whether ``origin`` is neither the service's own nor a configured one."""
        if origin in self._origins or "*" in self._origins:
            return False
        try:
            return urlsplit(origin).netloc.lower() != authority.lower()
        except ValueError:
            return True

    def answer_headers(
        self, headers: Mapping[str, str], method: str = ""
    ) -> list[tuple[bytes, bytes]]:
        """Return the CORS headers of the answer to a request; none if no origin is configured."""
        origin = headers.get("origin")
        if origin is None or not self._origins:
            return []
        answer = [(b"vary", b"Origin")]
        if not self.is_foreign(origin, headers.get("host", "")):
            answer += [
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-expose-headers", _EXPOSE_HEADERS),
                (b"cross-origin-resource-policy", b"cross-origin"),
            ]
            if "access-control-request-method" in headers:
                answer += [
                    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
                    (b"access-control-allow-headers", _ALLOW_HEADERS),
                    (b"access-control-max-age", _PREFLIGHT_AGE_S),
                ]
        return answer
