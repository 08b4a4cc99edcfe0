"""What the gateway answers itself, from several services."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from shared.wire.speech import ModelList


class MeshDefaults(BaseModel):
    """The defaults of speech in force; null where the service is away."""

    voice_sample: str | None = None
    language: str | None = None


class MeshStatus(BaseModel):
    """``GET /`` of the gateway: health of the mesh."""

    status: Literal["online", "degraded"]
    message: str
    config: MeshDefaults


class MeshModels(ModelList):
    """``GET /v1/models`` of the gateway: the models of all services."""

    unavailable: list[str] | None = Field(
        default=None, description="Services whose models are missing, being away."
    )
