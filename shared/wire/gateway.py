"""Formats of the responses that the gateway composes from several services."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from shared.wire.speech import ModelList


class MeshDefaults(BaseModel):
    """The current defaults for speech; null if the service is not reachable."""

    voice_sample: str | None = None
    language: str | None = None


class MeshStatus(BaseModel):
    """Response of ``GET /`` of the gateway: health of the mesh."""

    status: Literal["online", "degraded"]
    message: str
    config: MeshDefaults


class MeshModels(ModelList):
    """Response of ``GET /v1/models`` of the gateway: the models of all services."""

    unavailable: list[str] | None = Field(
        default=None, description="Services whose models are missing, being away."
    )
