"""Responses of the liveness and readiness probes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class Liveness(BaseModel):
    """Response of ``GET /livez``."""

    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """Response of ``GET /readyz``: what is ready and what is not."""

    status: Literal["ready", "not_ready"]
    engines: dict[str, Any] | None = Field(
        default=None, description="Of a service: each engine's state, model and device."
    )
    upstreams: dict[str, Literal["ready", "not_ready"]] | None = Field(
        default=None, description="Of the gateway: the services behind it."
    )
