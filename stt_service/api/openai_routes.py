"""Routes of the OpenAI audio API: transcriptions and translations in all response formats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Literal

from flask import Blueprint, Response, jsonify, request

from shared.core.streaming import prime
from shared.http.server.asgi.record import RECORD
from shared.http.server.error_responses import as_mesh_error
from shared.http.server.openapi import operation
from shared.http.server.parsing import form_fields
from shared.wire.transcription import (
    DurationUsage,
    Transcript,
    TranscriptionAnswer,
    TranscriptionRequest,
    VerboseTranscription,
)
from shared.wire.validation import validate
from stt_service.api.routes import FALLBACK_DESCRIPTION, with_engine_headers, with_facts
from stt_service.api.subtitles import srt, vtt
from stt_service.api.uploads import declared_format, recording
from stt_service.engines.base import Options
from stt_service.recognition.running_transcription import RunningTranscription
from stt_service.recognition.service import Job, TranscriptionService

Task = Literal["transcribe", "translate"]

_FORMATS = ("application/json", "text/plain", "text/vtt", "text/event-stream")


def openai_routes(service: TranscriptionService, spool_bytes: int) -> Blueprint:
    """Return the blueprint of ``/v1/audio/transcriptions`` and ``/v1/audio/translations``."""
    routes = Blueprint("openai_transcription", __name__)

    def answer(task: Task) -> Response:
        fields = validate(TranscriptionRequest, form_fields(request.form))
        timed = fields.response_format in ("srt", "vtt", "verbose_json")
        options = Options(
            language=fields.language,
            task=task,
            prompt=fields.prompt,
            temperature=fields.temperature,
            word_times=timed and "word" in fields.timestamp_granularities,
            segment_times=timed,
        )
        with ExitStack() as stack:
            source = stack.enter_context(recording(spool_bytes, outlives_view=bool(fields.stream)))
            job = Job(source, options, fields.model, declared_format())
            if fields.stream:
                progress = service.start(job)
                stack.callback(progress.close)
                response = _events(progress, _delta_events(progress, request.environ))
                # The recording is read while the response is sent, so it is closed afterwards.
                response.call_on_close(stack.pop_all().close)
                return response
            transcript = service.transcribe(job)
        return with_facts(_formatted(transcript, fields, task), transcript)

    @routes.post("/v1/audio/transcriptions")
    @operation(
        "Transcribe (OpenAI)",
        tag="OpenAI",
        request=TranscriptionRequest,
        files={"file": "The recording."},
        responses={200: _FORMATS},
        description="`stream=true` answers server-sent events: `transcript.text.delta` per "
        "segment, `transcript.text.done`, then `[DONE]`; a fault in mid-stream is an object with "
        "`error`. `model` may name an engine or its model: then no other one answers. "
        + FALLBACK_DESCRIPTION,
    )
    def transcriptions() -> Response:
        return answer("transcribe")

    @routes.post("/v1/audio/translations")
    @operation(
        "Translate into English (OpenAI)",
        tag="OpenAI",
        request=TranscriptionRequest,
        files={"file": "The recording."},
        responses={200: _FORMATS},
    )
    def translations() -> Response:
        return answer("translate")

    return routes


def _formatted(transcript: Transcript, fields: TranscriptionRequest, task: Task) -> Response:
    segments = transcript.segments or []
    match fields.response_format:
        case "text":
            return Response(transcript.text + "\n", mimetype="text/plain")
        case "srt":
            return Response(srt(segments), mimetype="text/plain")
        case "vtt":
            return Response(vtt(segments), mimetype="text/vtt")
    usage = DurationUsage(seconds=transcript.duration)
    if fields.response_format == "json":
        short = TranscriptionAnswer(text=transcript.text, usage=usage, warnings=transcript.warnings)
        return jsonify(short.model_dump(exclude_none=True))
    with_segments = "segment" in fields.timestamp_granularities
    verbose = VerboseTranscription(
        task=task,
        language=transcript.language,
        duration=transcript.duration,
        text=transcript.text,
        segments=segments if with_segments else None,
        words=transcript.words,
        usage=usage,
        warnings=transcript.warnings,
    )
    data = verbose.model_dump(exclude_none=True)
    data.setdefault("language", None)
    for segment in data.get("segments", []):
        segment.pop("words", None)
    return jsonify(data)


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _events(progress: RunningTranscription, body: Iterator[bytes]) -> Response:
    # The first event is made before the response starts, so that an earlier error can still set
    # the HTTP status.
    response = Response(prime(body), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-cache"
    return with_engine_headers(response, progress.engine, progress.fallback)


def _delta_events(progress: RunningTranscription, environ: dict[str, Any]) -> Iterator[bytes]:
    """Yield the server-sent events of a transcription.

    An error before the first event is raised; a later one is sent as an event.
    """
    begun = False
    try:
        for segment in progress:
            delta = segment.text if begun else segment.text.lstrip()
            begun = True
            yield _event({"type": "transcript.text.delta", "delta": delta})
        transcript = progress.transcript(segments=False, words=False)
        done: dict[str, Any] = {
            "type": "transcript.text.done",
            "text": transcript.text,
            "usage": DurationUsage(seconds=transcript.duration).model_dump(),
        }
        if transcript.warnings:
            done["warnings"] = transcript.warnings
        yield _event(done)
        yield b"data: [DONE]\n\n"
    except Exception as error:
        if not begun:
            raise
        fault = as_mesh_error(error)
        if (record := environ.get(RECORD)) is not None:
            record.outcome = fault.code
        yield _event(fault.body())
