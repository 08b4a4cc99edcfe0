"""Decide which callers may change the defaults that everybody uses (``POST /api/config``)."""

from __future__ import annotations

from shared.core.errors import Forbidden
from shared.core.settings import CommonSettings
from shared.http.server.auth import is_accepted


def require_config_token(
    token: str | None, settings: CommonSettings, *, behind_gateway: bool = False
) -> None:
    """Check whether ``CONFIG_TOKENS`` lets the caller change the defaults.

    The gateway sends the mesh's own token with what it forwards, so it makes this check itself
    before it forwards, and the service behind it accepts that token.

    Args:
        token: the caller's bearer token, already accepted as one of ``API_TOKENS``.
        settings: if ``CONFIG_TOKENS`` is empty, every caller may.
        behind_gateway: accept the mesh's own token too.

    Raises:
        Forbidden: the token may not change the defaults (code ``config_forbidden``).
    """
    if not settings.config_tokens:
        return
    accepted = set(settings.config_tokens)
    if behind_gateway and settings.own_token is not None:
        accepted.add(settings.own_token)
    if token is None or not is_accepted(token, accepted):
        raise Forbidden("this token may not change the defaults", code="config_forbidden")
