"""Wire shapes → :class:`SpeechJob`: one function per dialect, no HTTP."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from shared.wire.speech import SpeechRequest, SynthesizeRequest, VoiceRequest
from tts_service.engines.base import Reference
from tts_service.synthesis.job import SpeechJob

_CONTROL = frozenset({"stream"})
"""Extra fields that steer the answer, not the voice."""

TUNING = (
    "emotion",
    "pitch",
    "temperature",
    "top_k",
    "top_p",
    "length_penalty",
    "repetition_penalty",
)


def given_parameters(request: BaseModel) -> dict[str, Any]:
    """Tuning parameters and unknown fields that the request really carries."""
    tuning = {n: getattr(request, n) for n in TUNING if getattr(request, n, None) is not None}
    extra = {k: v for k, v in (request.model_extra or {}).items() if k not in _CONTROL}
    return {**tuning, **extra}


def wants_whole(request: BaseModel) -> bool:
    """Whether the request asks for a finished file with ``"stream": false``."""
    value = (request.model_extra or {}).get("stream", True)
    return value in (False, 0) or str(value).lower() in ("false", "0", "no")


def job_of_synthesize(request: SynthesizeRequest, *, whole: bool) -> SpeechJob:
    """``/synthesize``, ``/api/tts/*`` and ``/ws/tts``."""
    return SpeechJob(
        text=request.text,
        language=request.language,
        voice=request.voice,
        sample_name=request.voice_sample,
        speed=request.speed,
        parameters=given_parameters(request),
        whole=whole,
    )


def job_of_voice_request(
    request: VoiceRequest, sample: Reference | None, *, whole: bool
) -> SpeechJob:
    """``/generate-voice``; a ``sample`` that came with it goes before every named voice."""
    asked = request.parameters
    return SpeechJob(
        text=request.text,
        language=None if asked.language is None else str(asked.language),
        voice=asked.voice,
        sample_name=asked.voice_sample,
        sample=sample,
        speed=asked.speed,
        parameters=given_parameters(asked),
        whole=whole,
    )


def job_of_speech(request: SpeechRequest) -> SpeechJob:
    """OpenAI's ``/v1/audio/speech``; ``instructions`` is a parameter that an engine may honour."""
    parameters = given_parameters(request)
    if request.instructions:
        parameters["instructions"] = request.instructions
    return SpeechJob(
        text=request.input,
        language=request.language,
        voice=request.voice,
        model=request.model,
        speed=request.speed,
        parameters=parameters,
    )
