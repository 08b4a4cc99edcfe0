"""Settings of the speech recognition service."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shared.core.settings import Names, Port, ServiceSettings


class SttSettings(ServiceSettings):
    """Settings of the speech recognition service from the environment."""

    stt_port: Port = Field(default=5001, description="Port of the service.")
    stt_engines: Names = Field(
        default=("whisper",),
        description="Recognition engines in order of preference, separated by commas. The first "
        "that supports the language is used, and the next one when it fails.",
    )
    whisper_model: str = Field(
        default="base",
        description="base (prepared by `mesh download`), the folder of a CTranslate2 model, or a "
        "faster-whisper model name such as large-v3 (`mesh download` fetches it from the hub).",
    )
    whisper_device: str = Field(
        default="", description="Device of Whisper; STT_DEVICE where not given."
    )
    whisper_compute_type: str = Field(
        default="",
        description="CTranslate2 compute type; int8 on a CPU and float16 on CUDA where not given.",
    )
    whisper_batch: int = Field(
        default=0,
        ge=0,
        le=64,
        description="Passages of a recording that Whisper decodes at once; 0: 8 on a GPU, else 1.",
    )
    stt_device: str = Field(
        default="auto",
        description="Device of the recognition engines: auto, cpu, cuda, cuda:1. An engine whose "
        "GPU is missing does not become ready.",
    )
    stt_self_test_words: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the words of a built-in English recording that an English-capable "
        "engine must recognise to become ready. 0 accepts any text, for models trained on other "
        "languages.",
    )
    parakeet_model: str = Field(
        default="nvidia/parakeet-tdt-1.1b",
        description="NeMo recogniser: a name on the hub or a .nemo file. nvidia/parakeet-tdt-1.1b "
        "writes lower case without punctuation; nvidia/parakeet-tdt-0.6b-v3 punctuates and "
        "supports 25 languages.",
    )
    parakeet_languages: Names = Field(
        default=(),
        description="Languages of PARAKEET_MODEL, separated by commas; derived from its name where "
        "not given. A model whose name indicates none is used for any language.",
    )
    parakeet_attention: Literal["full", "local"] = Field(
        default="full",
        description="full: passages of at most 55 s. local: up to 590 s, in bounded memory.",
    )
    parakeet_batch_seconds: float = Field(
        default=600.0, gt=0, description="Most audio in one batch, padding included, seconds."
    )
    spool_bytes: int = Field(
        default=1024 * 1024,
        ge=0,
        description="Recordings up to this size stay in memory; larger ones go to disk.",
    )

    def compute_type(self, device: str) -> str:
        """Return CTranslate2's compute type for ``cpu`` or ``cuda``."""
        return self.whisper_compute_type or ("int8" if device == "cpu" else "float16")

    def whisper_batch_size(self, device: str) -> int:
        """Return how many passages Whisper decodes at once on ``cpu`` or ``cuda``."""
        return self.whisper_batch or (1 if device == "cpu" else 8)
