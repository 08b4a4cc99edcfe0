"""Formats of the voice agent: ``/api/converse`` and the events of ``/ws``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class TurnAnswer(BaseModel):
    """The JSON message of a turn, sent before its audio. The first two names are the contract."""

    transcription: str = Field(description="What was heard; empty where nothing was said.")
    llama: str = Field(description="The reply.")
    language: str | None = Field(default=None, description="Of the speaker, a tag.")
    stt_engine: str | None = None
    llm_engine: str | None = Field(default=None, description="The model that wrote the reply.")
    llm_skipped: list[dict[str, str]] = Field(
        default_factory=list, description="Preferred models that could not answer, and why."
    )
    llm_passed_over: list[dict[str, str]] = Field(
        default_factory=list,
        description="Deprecated: the older name of llm_skipped; goes with the next release.",
    )
    event: str | None = Field(default=None, description="`no_speech` where nothing was said.")
    warnings: list[str] = Field(default_factory=list)


class SpokenAnswer(TurnAnswer):
    """Response of ``POST /api/converse`` with ``Accept: application/json``, including the audio."""

    audio: str | None = Field(default=None, description="The reply as a WAV file, base64.")
    tts_engine: str | None = None
    error: dict[str, Any] | None = Field(default=None, description="Why there is no audio.")
    times: dict[str, float] = Field(
        default_factory=dict, description="Seconds from the end of the upload, by stage."
    )


class ConverseRequest(BaseModel):
    """Fields of ``POST /api/converse`` in addition to the recording."""

    language: str | None = Field(default=None, max_length=16)
