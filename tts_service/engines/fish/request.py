"""Convert request parameters, emotions and languages to Fish's format."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, Field

from shared.wire.speech import Emotion
from shared.wire.validation import validate

_S1_LANGUAGES = (
    "en-us", "en-gb", "zh", "ja", "de", "fr", "es", "ko", "ar", "ru", "nl", "it", "pl", "pt-br",
)  # fmt: skip
"""The 13 languages that Fish Audio documents for S1 and fish-speech 1.5."""
_S2_LANGUAGES = (*_S1_LANGUAGES, "hi", "tr", "cs", "hu")
"""Those of S2's languages (about 80) that the mesh's requests have tags for."""

_TAGS: Mapping[Emotion, str] = MappingProxyType(
    {
        Emotion.HAPPY: "happy",
        Emotion.SAD: "sad",
        Emotion.ANGRY: "angry",
        Emotion.FEARFUL: "scared",
        Emotion.DISGUSTED: "disgusted",
        Emotion.SURPRISED: "surprised",
        Emotion.EXCITED: "excited",
        Emotion.CALM: "calm",
    }
)
"""Basic emotions of Fish Audio's emotion reference; neutral has no tag."""


class FishParameters(BaseModel):
    """Request parameters that Fish supports, with the ranges of its API (and of fish-speech's)."""

    emotion: Emotion = Emotion.NEUTRAL
    temperature: float | None = Field(default=None, ge=0.1, le=1.0)
    top_p: float | None = Field(default=None, ge=0.1, le=1.0)
    chunk_length: int | None = Field(default=None, ge=100, le=300)
    repetition_penalty: float | None = Field(default=None, ge=0.9, le=2.0)
    latency: Literal["normal", "balanced"] | None = None
    reference_text: str | None = Field(default=None, max_length=2000)


def parameters_of(given: Mapping[str, Any]) -> FishParameters:
    """Validate the parameters of a request.

    Raises:
        InvalidRequest: a value is out of range; ``param`` names it.
    """
    return validate(FishParameters, dict(given))


def sampling_of(parameters: FishParameters) -> dict[str, Any]:
    """Return the request body's fields that are set; Fish's defaults apply to the others."""
    return parameters.model_dump(exclude={"emotion", "reference_text"}, exclude_none=True)


def writes_emotions(model: str) -> bool:
    """Check whether ``model`` supports emotion tags; models before S1 do not."""
    return _generation(model) >= 1


def languages_of(model: str) -> tuple[str, ...]:
    """Return the language tags that ``model`` supports."""
    return _S2_LANGUAGES if _generation(model) >= 2 else _S1_LANGUAGES


def with_emotion(text: str, emotion: Emotion, model: str) -> str:
    """Prepend the tag of an emotion to ``text`` in the format of ``model``.

    S1 reads ``(happy)``, and in English only at the beginning of a sentence; S2 reads ``[happy]``.
    """
    tag = _TAGS.get(emotion)
    if tag is None:
        return text
    return f"[{tag}] {text}" if _generation(model) >= 2 else f"({tag}) {text}"


def _generation(model: str) -> int:
    """Return 2 for S2 models, 1 for S1, 0 for older fish-speech models."""
    low = model.lower()
    if "s1" in low:
        return 1
    return 0 if "speech-1" in low else 2
