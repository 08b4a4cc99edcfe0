"""Bearer tokens: where a request may carry one, and the comparison."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from flask import Request

from shared.core.errors import Unauthorized

_PROTOCOL_PREFIX = "openai-insecure-api-key."
"""Browsers cannot set headers on a WebSocket; this is how the Realtime API's clients pass a key."""


def presented_token(request: Request) -> str | None:
    """The token of this request: the ``Authorization`` header; on a WebSocket also ``?token=`` or
    the subprotocol ``openai-insecure-api-key.TOKEN``, since browsers cannot set headers there."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if request.headers.get("Upgrade", "").lower() == "websocket":
        for offered in request.headers.get("Sec-WebSocket-Protocol", "").split(","):
            if offered.strip().startswith(_PROTOCOL_PREFIX):
                return offered.strip().removeprefix(_PROTOCOL_PREFIX)
        return request.args.get("token")
    return None


def is_accepted(token: str, accepted: Iterable[str]) -> bool:
    """Whether ``token`` is one of ``accepted``; compares with all of them in constant time."""
    given = token.encode()
    found = False
    for candidate in accepted:
        found |= hmac.compare_digest(given, candidate.encode())
    return found


def require_token(request: Request, accepted: frozenset[str]) -> None:
    """Let the request pass where no token is configured or an accepted one is presented.

    Raises:
        Unauthorized: otherwise.
    """
    if not accepted:
        return
    token = presented_token(request)
    if token is None:
        raise Unauthorized("a bearer token is needed: Authorization: Bearer TOKEN")
    if not is_accepted(token, accepted):
        raise Unauthorized("the bearer token is not accepted")
