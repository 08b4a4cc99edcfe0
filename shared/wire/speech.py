"""Formats of speech synthesis: the project's own, OpenAI's, and the voice and model lists.

Unknown fields are accepted. The service lists them in ``X-Ignored-Parameters``, as it does for all
parameters that the selected engine does not support.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator, model_validator

AudioContainer = Literal["wav", "mp3", "opus", "flac", "aac", "pcm"]


class Language(StrEnum):
    """Languages of the request formats; the engines determine which ones can be spoken."""

    EN = "en"
    ES = "es"
    PT = "pt"
    FR = "fr"
    IT = "it"
    DE = "de"
    PL = "pl"
    TR = "tr"
    RU = "ru"
    NL = "nl"
    CS = "cs"
    AR = "ar"
    ZH = "zh"
    JA = "ja"
    HU = "hu"
    KO = "ko"
    HI = "hi"


class Emotion(StrEnum):
    """Emotions that a request may name; the embedded engines report them as ignored."""

    NEUTRAL = "neutral"
    HAPPY = "happy"
    SAD = "sad"
    ANGRY = "angry"
    FEARFUL = "fearful"
    DISGUSTED = "disgusted"
    SURPRISED = "surprised"
    EXCITED = "excited"
    CALM = "calm"


class _Tuning(BaseModel):
    """Sampling and expression parameters, used by the engines that support them."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    emotion: Emotion | None = Field(
        default=None, validation_alias=AliasChoices("emotion", "emocao", "emoção")
    )
    pitch: float | None = Field(default=None, ge=-12, le=12, description="Semitones.")
    # Below these bounds logits overflow, and sampling from them on a GPU is a fatal CUDA error.
    temperature: float | None = Field(default=None, ge=0.01, le=2)
    top_k: int | None = Field(default=None, ge=1, le=1000)
    top_p: float | None = Field(default=None, ge=0.01, le=1)
    length_penalty: float | None = Field(default=None, ge=0.01, le=10)
    repetition_penalty: float | None = Field(default=None, ge=0.1, le=20)

    @model_validator(mode="after")
    def _finite(self) -> Self:
        for name, value in (self.model_extra or {}).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{name} is not a finite number")
        return self


class SynthesizeRequest(_Tuning):
    """Request of ``/synthesize``, ``/api/tts/batch``, ``/api/tts/stream`` and ``WS /ws/tts``."""

    text: str = Field(
        min_length=1,
        validation_alias=AliasChoices("text", "texto"),
        description="What to say.",
    )
    language: str | None = Field(
        default=None,
        max_length=16,
        validation_alias=AliasChoices("language", "idioma", "lang"),
        description="Tag such as en, es, pt-br; the voice's own, or the default, where not given.",
    )
    voice: str | None = Field(
        default=None,
        max_length=128,
        validation_alias=AliasChoices("voice", "voz"),
        description="A voice of /v1/audio/voices.",
    )
    voice_sample: str | None = Field(
        default=None,
        max_length=255,
        description="File name in the voices folder: the answer is spoken in a voice like it.",
    )
    speed: float = Field(
        default=1.0,
        ge=0.25,
        le=4.0,
        validation_alias=AliasChoices("speed", "velocidade", "velocidad"),
        description="1 is the voice's own pace.",
    )
    format: AudioContainer = Field(
        default="wav",
        validation_alias=AliasChoices("format", "response_format", "formato"),
        description="Container of the audio.",
    )


class VoiceParameters(_Tuning):
    """Parameters of :class:`VoiceRequest`."""

    language: str | None = Field(
        default=None,
        max_length=16,
        validation_alias=AliasChoices("language", "idioma"),
        description="A `Language`, in any case, with or without a region (pt-BR).",
    )
    speed: float = Field(
        default=1.0, ge=0.25, le=4.0, validation_alias=AliasChoices("speed", "velocidade")
    )
    voice: str | None = Field(default=None, max_length=128)
    voice_sample: str | None = Field(default=None, max_length=255)
    format: AudioContainer = "wav"


class VoiceRequest(BaseModel):
    """Request of ``POST /generate-voice``: ``text`` with nested or flat parameters."""

    model_config = ConfigDict(populate_by_name=True)

    text: str = Field(min_length=1, validation_alias=AliasChoices("text", "texto"))
    parameters: VoiceParameters = Field(
        default_factory=VoiceParameters,
        validation_alias=AliasChoices("parameters", "parametros", "parâmetros"),
    )

    @model_validator(mode="before")
    @classmethod
    def _nest(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        own = {"text", "texto", "parameters", "parametros", "parâmetros"}
        flat = {key: value for key, value in data.items() if key not in own}
        if not flat:
            return data
        rest = {key: value for key, value in data.items() if key in own}
        for name in ("parameters", "parametros", "parâmetros"):
            nested = rest.pop(name, None)
            if isinstance(nested, VoiceParameters):
                nested = nested.model_dump(exclude_unset=True)
            if isinstance(nested, dict):
                flat = {**flat, **nested}
        return {**rest, "parameters": flat}


class VoiceReference(BaseModel):
    """The object form of ``voice`` in the OpenAI API."""

    id: str = Field(min_length=1, max_length=128)


class SpeechRequest(_Tuning):
    """Request of the OpenAI API's ``POST /v1/audio/speech``; the tuning fields are extensions."""

    input: str = Field(min_length=1, max_length=4096, description="What to say.")
    model: str = Field(default="tts-1", min_length=1, max_length=128)
    voice: str = Field(default="alloy", max_length=128, description="A name, or an object with id.")
    instructions: str | None = Field(default=None, max_length=4096)
    response_format: AudioContainer = "mp3"
    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    stream_format: Literal["audio", "sse"] = "audio"
    language: str | None = Field(default=None, max_length=16, description="Extension.")

    @field_validator("voice", mode="before")
    @classmethod
    def _voice_object(cls, value: Any) -> Any:
        return VoiceReference.model_validate(value).id if isinstance(value, dict) else value


class ConfigRequest(BaseModel):
    """Request of ``POST /api/config``: defaults for requests that name no voice or language."""

    model_config = ConfigDict(extra="forbid")

    voice_sample: str | None = Field(default=None, max_length=255)
    language: str | None = Field(default=None, max_length=16)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("give voice_sample, language or both")
        return self


class ServiceConfig(BaseModel):
    """The current defaults."""

    voice_sample: str | None = None
    language: str


class StatusAnswer(BaseModel):
    """Response of ``GET /``: health and the current defaults."""

    status: Literal["online"] = "online"
    message: str
    config: ServiceConfig


class Voice(BaseModel):
    """One entry of the voice list."""

    id: str
    name: str
    language: str = Field(description="Tag of the language it speaks natively.")
    languages: list[str] = Field(description="All tags it can be asked to speak.")
    gender: Literal["female", "male", "unknown"] = "unknown"
    engine: str
    licence: str
    aliases: list[str] = Field(default_factory=list, description="Other names it answers to.")
    parameters: list[str] = Field(
        default_factory=list, description="Request parameters that its engine honours."
    )


class VoiceList(BaseModel):
    """Response of ``GET /v1/audio/voices``."""

    object: Literal["list"] = "list"
    voices: list[Voice]


class Model(BaseModel):
    """One entry of ``GET /v1/models``, with the licence of its weights as an extension."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str
    task: Literal["speech", "transcription", "chat"]
    engine: str
    licence: str
    commercial_use: bool
    languages: list[str] = Field(default_factory=list)
    ready: bool = True


class ModelList(BaseModel):
    """Response of ``GET /v1/models``."""

    object: Literal["list"] = "list"
    data: list[Model]
