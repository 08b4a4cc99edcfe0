"""Read and check the bearer token of a request."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping

from shared.core.errors import Unauthorized

_PROTOCOL_PREFIX = "openai-insecure-api-key."
"""Prefix of a WebSocket subprotocol with a token. Browsers cannot set WebSocket headers, so clients
of the Realtime API pass the key this way.
"""


def presented_token(
    headers: Mapping[str, str], query: Mapping[str, str], *, websocket: bool
) -> str | None:
    """Return the bearer token of a request, or None.

    It is read from the ``Authorization`` header. Browsers cannot set headers on a WebSocket, so
    WebSocket handshakes may also pass it as ``?token=`` or as the subprotocol
    ``openai-insecure-api-key.TOKEN``.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if not websocket:
        return None
    for offered in headers.get("sec-websocket-protocol", "").split(","):
        if offered.strip().startswith(_PROTOCOL_PREFIX):
            return offered.strip().removeprefix(_PROTOCOL_PREFIX)
    return query.get("token")


def is_accepted(token: str, accepted: Iterable[str]) -> bool:
    """Return whether ``token`` is in ``accepted``; compares with every entry in constant time."""
    given = token.encode()
    found = False
    for candidate in accepted:
        found |= hmac.compare_digest(given, candidate.encode())
    return found


def require_token(token: str | None, accepted: frozenset[str]) -> None:
    """Check a token, if tokens are configured.

    Raises:
        Unauthorized: the token is missing or not accepted.
    """
    if not accepted:
        return
    if token is None:
        raise Unauthorized("a bearer token is needed: Authorization: Bearer TOKEN")
    if not is_accepted(token, accepted):
        raise Unauthorized("the bearer token is not accepted")
