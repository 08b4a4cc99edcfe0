"""Settings of the speech synthesis service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field
from pydantic_settings import NoDecode

from shared.core.settings import Names, Port, ServiceSettings, split_names
from tts_service.engines.fish.settings import FishSettings


class TtsSettings(FishSettings, ServiceSettings):
    """Settings of the speech synthesis service from the environment."""

    tts_port: Port = Field(default=5000, description="Port of the speech synthesis service.")
    tts_engines: Names = Field(
        default=("hibari", "kokoro"),
        min_length=1,
        description="Speech engines in order of preference, separated by commas.",
    )
    tts_language: str = Field(
        default="en",
        description="Language of requests that name neither a language nor a voice.",
    )
    tts_device: str = Field(
        default="auto",
        description="Device of the torch engines: auto, cpu, cuda, cuda:1. An engine whose GPU is "
        "missing does not become ready. The embedded engines always use the CPU.",
    )
    nemo_tts_spectrogram: str = Field(
        default="nvidia/tts_en_fastpitch",
        description="FastPitch model of the nemo engine: a name on the hub or a .nemo file.",
    )
    nemo_tts_vocoder: str = Field(
        default="nvidia/tts_hifigan",
        description="HiFiGAN model of the nemo engine: a name on the hub or a .nemo file.",
    )
    nemo_tts_language: str = Field(default="en-us", description="Language of the FastPitch model.")
    xtts_model: str = Field(
        default="coqui/XTTS-v2",
        description="Model of the xtts engine: a name on the hub or a folder with config.json, "
        "model.pth and vocab.json.",
    )
    coqui_tos_agreed: bool = Field(
        default=False,
        description="1: you accept the Coqui Public Model License (non-commercial) of XTTS.",
    )
    voices_dirs: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(split_names)] = Field(
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
        description="Length in characters at which the first sentence is cut at a clause, so that "
        "audio starts early.",
    )

    cache_url: str = Field(
        default="none",
        description="Cache of synthesised audio: none, memory:, disk:, disk:/folder, "
        "redis://host:6379/0, s3://bucket/prefix, gs://bucket/prefix or file:///folder.",
    )
    cache_max_bytes: int = Field(
        default=1 << 30,
        ge=1 << 20,
        description="Largest size of that cache in memory or on disk, bytes; Redis and buckets "
        "have their own limits.",
    )
    cache_ttl_s: float = Field(
        default=0.0,
        ge=0,
        description="Lifetime of entries in that cache, seconds; 0: unlimited.",
    )
    voice_cache_url: str = Field(
        default="disk:",
        description="Cache of voices made from reference recordings; same format as CACHE_URL.",
    )
    voice_cache_max_bytes: int = Field(
        default=256 << 20,
        ge=1 << 20,
        description="Largest size of that cache in memory or on disk, bytes.",
    )
