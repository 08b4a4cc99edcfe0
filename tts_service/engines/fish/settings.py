"""Settings of the Fish engines: the cloud API and a self-hosted fish-speech server."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator

from shared.core.settings import CommonSettings, Names

_VOICE = re.compile(
    r"[A-Za-z0-9_.\-]{1,64}=[A-Za-z0-9_.\- ]{1,255}(@[A-Za-z]{2,3}(-[A-Za-z]{2,4})?)?"
)
_VOICES = "separated by commas: name=reference_id, or name=reference_id@es for a voice whose own \
language is not English."


class FishSettings(CommonSettings):
    """Settings of the Fish engines, which are not enabled by default."""

    fish_api_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("FISH_API_KEY", "FISH_AUDIO_API_KEY"),
        description="Key of the Fish Audio API (engine fish-api), a paid service. Texts and voice "
        "samples are sent to it.",
    )
    fish_api_url: str = Field(
        default="https://api.fish.audio", description="Base URL of the Fish Audio API."
    )
    fish_model: str = Field(
        default="s2-pro",
        pattern=r"^[a-z0-9.\-]{1,32}$",
        description="Model of the Fish Audio API: s2-pro, s1, …",
    )
    fish_voices: Names = Field(default=(), description=f"Voices of the Fish Audio API, {_VOICES}")
    fish_sample_rate: Literal[8000, 16000, 24000, 32000, 44100] = Field(
        default=24000, description="Sample rate requested from the Fish Audio API, Hz."
    )
    fish_concurrency: int = Field(
        default=4, ge=1, le=64, description="Largest number of concurrent Fish Audio API requests."
    )
    fish_local_url: str = Field(
        default="http://127.0.0.1:8080",
        description="Base URL of a fish-speech server (engine fish-local).",
    )
    fish_local_key: SecretStr = Field(
        default=SecretStr(""), description="Key of that server, if it was started with one."
    )
    fish_local_model: str = Field(
        default="openaudio-s1-mini",
        pattern=r"^[A-Za-z0-9._\-]{1,64}$",
        description="Model loaded by that server; determines how emotions are written.",
    )
    fish_local_voices: Names = Field(
        default=(), description=f"Voices of the server's references folder, {_VOICES}"
    )
    fish_early_sound: bool = Field(
        default=False,
        description="true: audio of the first sentence is sent while it arrives from Fish. It "
        "starts sooner; if it breaks off, the next engine repeats the sentence.",
    )
    fish_connect_timeout_s: float = Field(
        default=3.0, gt=0, description="Timeout for connecting to Fish, seconds."
    )
    fish_first_audio_timeout_s: float = Field(
        default=15.0, gt=0, description="Timeout for the first audio of a sentence, seconds."
    )
    fish_gap_timeout_s: float = Field(
        default=10.0, gt=0, description="Timeout between audio chunks of a sentence, seconds."
    )
    fish_sentence_timeout_s: float = Field(
        default=120.0, gt=0, description="Timeout for a whole sentence, seconds."
    )
    fish_circuit_cooldown_s: float = Field(
        default=15.0,
        gt=0,
        description="How long Fish is skipped after three failures in a row, seconds.",
    )

    @field_validator("fish_voices", "fish_local_voices")
    @classmethod
    def _check_voices(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            if _VOICE.fullmatch(entry) is None:
                raise ValueError("a voice is written name=reference_id or name=reference_id@es")
        names = [entry.split("=", 1)[0].lower() for entry in value]
        if len(set(names)) != len(names):
            raise ValueError("two voices have the same name")
        return value

    @field_validator("fish_api_url", "fish_local_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if re.fullmatch(r"https?://[^\s/@?#]+(/[^\s?#]*)?", value) is None:
            raise ValueError("an address is written http://host:port, without a name or a query")
        return value.rstrip("/")
