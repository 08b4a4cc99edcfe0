"""Failures of an engine, which the next one may not have."""

from __future__ import annotations

from shared.core.errors import (
    EngineFailure,
    NotReady,
    RateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)

ENGINE_FAULTS = (
    EngineFailure("f"),
    UpstreamUnavailable("f", code="connection_refused"),
    UpstreamTimeout("f", code="no_answer"),
    RateLimited("f", code="http_429"),
    NotReady("f"),
)
