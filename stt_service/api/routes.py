"""Routes of the native API: ``/transcribe`` and ``/v1/models``."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from shared.engines.fallback import HEADER
from shared.http.server.openapi import operation
from shared.http.server.parsing import query_and_form
from shared.wire.speech import ModelList
from shared.wire.transcription import ChannelTranscripts, TranscribeRequest, Transcript
from shared.wire.validation import validate
from stt_service.api.uploads import declared_format, recording
from stt_service.engines.base import Options
from stt_service.recognition.service import Job, TranscriptionService

FALLBACK_DESCRIPTION = (
    "`X-Fallback` names the engines that were preferred to the one that answered, and why they did "
    "not."
)


def speech_routes(service: TranscriptionService, spool_bytes: int) -> Blueprint:
    """Return the blueprint of ``/transcribe`` and ``/v1/models``."""
    routes = Blueprint("transcription", __name__)

    @routes.post("/transcribe")
    @operation(
        "Transcribe a recording",
        tag="Transcription",
        request=TranscribeRequest,
        files={"audio_file": "The recording, any format that FFmpeg reads. Also taken as `file`."},
        responses={200: Transcript},
        description="Multipart, or the recording itself as the body with the fields as the query. "
        "A recording without a header needs `encoding` and `sample_rate`, or a content type such "
        "as `audio/L16;rate=16000`. Where the recording is cut or damaged, what is left of it is "
        "transcribed, `warnings` says so and `X-Audio-Truncated: true` is set. Headers of the "
        "answer: `X-Engine`, `X-Audio-Duration`. " + FALLBACK_DESCRIPTION,
    )
    def transcribe() -> Response:
        fields = validate(TranscribeRequest, query_and_form())
        options = Options(
            language=fields.language,
            task=fields.task,
            prompt=fields.prompt,
            temperature=fields.temperature,
            word_times=fields.timestamps == "word",
            segment_times=fields.timestamps != "none",
        )
        with recording(spool_bytes) as source:
            job = Job(source, options, declared=declared_format(fields))
            if fields.channels == "separate":
                made = service.transcribe_channels(job)
                text = "\n".join(t.text for t in made)
                both = ChannelTranscripts(text=text, channels=made)
                answer = jsonify(both.model_dump(exclude_none=True))
                # The facts about the recording are the same in every channel.
                return with_facts(answer, made[0])
            transcript = service.transcribe(job)
        answer = jsonify(
            {"text": transcript.text, "language": transcript.language}
            | transcript.model_dump(exclude_none=True)
        )
        return with_facts(answer, transcript)

    @routes.get("/v1/models")
    @operation("The models of this service", tag="Models", responses={200: ModelList})
    def models() -> Response:
        return jsonify(ModelList(data=service.models()).model_dump())

    return routes


def with_facts(answer: Response, transcript: Transcript) -> Response:
    """Add the headers for the engine, the audio duration and a truncated recording."""
    with_engine_headers(answer, transcript.engine, transcript.fallback)
    answer.headers["X-Audio-Duration"] = f"{transcript.duration:.3f}"
    if transcript.truncated:
        answer.headers["X-Audio-Truncated"] = "true"
    return answer


def with_engine_headers(answer: Response, engine: str, fallback: str | None) -> Response:
    """Add ``X-Engine``, and ``X-Fallback`` where preferred engines were skipped."""
    answer.headers["X-Engine"] = engine
    if fallback is not None:
        answer.headers[HEADER] = fallback
    return answer
