"""Convert the request formats of the APIs to :class:`SpeechJob`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from shared.wire.speech import SpeechRequest, SynthesizeRequest, VoiceRequest
from tts_service.engines.base import Reference
from tts_service.synthesis.job import SpeechJob

_CONTROL = frozenset({"stream"})
"""Extra fields that control the response and are not synthesis parameters."""

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
    """Return the synthesis parameters and unknown fields that are set in the request."""
    tuning = {n: getattr(request, n) for n in TUNING if getattr(request, n, None) is not None}
    extra = {k: v for k, v in (request.model_extra or {}).items() if k not in _CONTROL}
    return {**tuning, **extra}


def wants_whole(request: BaseModel) -> bool:
    """Check whether the request asks for a complete file with ``"stream": false``."""
    value = (request.model_extra or {}).get("stream", True)
    return value in (False, 0) or str(value).lower() in ("false", "0", "no")


def job_of_synthesize(request: SynthesizeRequest, *, whole: bool) -> SpeechJob:
    """Create the job of a request to ``/synthesize``, ``/api/tts/*`` or ``/ws/tts``."""
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
    """Create the job of ``/generate-voice``; an uploaded ``sample`` precedes named voices."""
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
    """Create the job of OpenAI's ``/v1/audio/speech``, with ``instructions`` as a parameter."""
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
