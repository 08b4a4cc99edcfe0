"""Settings of the gateway."""

from __future__ import annotations

from pydantic import AliasChoices, Field

from shared.core.settings import Names, Port, ServiceSettings


class GatewaySettings(ServiceSettings):
    """Settings that the gateway reads from its environment."""

    port: Port = Field(
        default=8000,
        validation_alias=AliasChoices("PORT", "API_PORT"),
        description="Port of the gateway.",
    )
    tts_url: Names = Field(
        default=("http://127.0.0.1:5000",),
        description="Base URLs of speech synthesis, separated by commas.",
    )
    stt_url: Names = Field(
        default=("http://127.0.0.1:5001",),
        description="Base URLs of speech recognition, separated by commas.",
    )
    agent_url: Names = Field(
        default=("http://127.0.0.1:5002",),
        description="Base URLs of the voice agent, separated by commas.",
    )
    upstream_timeout_s: float = Field(
        default=300.0, gt=0, description="Longest silence of a service before 504, seconds."
    )
    rate_limit_per_minute: int = Field(
        default=6000,
        ge=0,
        description="Requests per minute and token (or address, without tokens); 0: no limit.",
    )
