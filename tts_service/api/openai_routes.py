"""Routes of the OpenAI API: speech, voices and models."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from shared.audio.encode import MIME
from shared.core.errors import UnknownModel
from shared.http.server.openapi import operation
from shared.http.server.parsing import parse_body
from shared.wire.speech import Model, ModelList, SpeechRequest, VoiceList
from tts_service.api.catalogue import model_list, voice_list
from tts_service.api.dialects import job_of_speech
from tts_service.api.responses import events, streamed
from tts_service.synthesis.service import SpeechService


def openai_routes(service: SpeechService) -> Blueprint:
    """Return the blueprint of ``/v1/audio/speech``, ``/v1/audio/voices`` and ``/v1/models``."""
    routes = Blueprint("openai", __name__, url_prefix="/v1")

    @routes.post("/audio/speech")
    @operation(
        "Create speech",
        tag="OpenAI",
        request=SpeechRequest,
        responses={200: (*sorted(set(MIME.values())), "text/event-stream")},
        description="Any name of `/v1/audio/voices`, its aliases, or a recording of the voices "
        "folder as `voice`. An OpenAI voice name speaks English with the voice that lists it "
        "among its aliases, and other languages with a native voice of the same gender. "
        "`language` is an extension.",
    )
    def speech() -> Response:
        request, _ = parse_body(SpeechRequest)
        stream = service.speak(job_of_speech(request))
        if request.stream_format == "sse":
            return events(stream, request.response_format, request.input)
        return streamed(stream, request.response_format)

    @routes.get("/audio/voices")
    @operation("List voices", tag="OpenAI", responses={200: VoiceList})
    def voices() -> Response:
        return jsonify(voice_list(service.ready_engines(), service.folder.names()).model_dump())

    @routes.get("/models")
    @operation("List models", tag="OpenAI", responses={200: ModelList})
    def models() -> Response:
        return jsonify(model_list(service.ready_engines()).model_dump())

    @routes.get("/models/<name>")
    @operation("One model", tag="OpenAI", responses={200: Model})
    def model(name: str) -> Response:
        known = model_list(service.ready_engines()).data
        for entry in known:
            if entry.id == name.lower():
                return jsonify(entry.model_dump())
        raise UnknownModel(
            f"no model called '{name[:64]}'", details={"available": [entry.id for entry in known]}
        )

    return routes
