"""Settings of the speech synthesis service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import NoDecode

from shared.settings import ServiceSettings, split_names


class TtsSettings(ServiceSettings):
    """What the speech synthesis service reads from its environment."""

    tts_port: int = Field(
        default=5000,
        ge=1,
        le=65535,
        description="Port of the speech synthesis service.",
    )
    tts_engines: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("hibari", "kokoro"),
        min_length=1,
        description="Speech engines in order of preference, separated by commas.",
    )
    tts_language: str = Field(
        default="en",
        description="Language of requests that name neither a language nor a voice.",
    )
    voices_dirs: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(Path("voices"), Path("audios")),
        validation_alias=AliasChoices("VOICES_DIR"),
        description="Folders of reference recordings, searched in order, separated by commas.",
    )
    max_reference_bytes: int = Field(
        default=25 * 1024 * 1024, ge=1024, description="Largest reference recording, bytes."
    )
    first_clause_chars: int = Field(
        default=60,
        ge=10,
        le=400,
        description="Length at which the first sentence is cut at a clause, so that sound starts "
        "early, characters.",
    )

    @field_validator("tts_engines", mode="before")
    @classmethod
    def _split_engines(cls, value: object) -> object:
        return split_names(value)

    @field_validator("voices_dirs", mode="before")
    @classmethod
    def _split_folders(cls, value: object) -> object:
        return split_names(value)
