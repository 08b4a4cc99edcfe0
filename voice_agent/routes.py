"""HTTP routes of the voice agent."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import numpy as np
from flask import Blueprint, Response, jsonify, request

from shared.audio.wav import wav_header
from shared.core.errors import InvalidRequest, MeshError, NotReady
from shared.core.streaming import ClosingIterator, close_quietly
from shared.engines.engine_host import EngineHost
from shared.http.server.openapi import operation
from shared.http.server.parsing import query_and_form
from shared.wire.agent import ConverseRequest, SpokenAnswer
from shared.wire.speech import Model, ModelList
from shared.wire.validation import validate
from voice_agent.events import Audio, AudioBegins, Event, Fault, Heard
from voice_agent.llm.base import LlmEngine
from voice_agent.memory import Conversation
from voice_agent.reply import Parts
from voice_agent.responses import Collected
from voice_agent.settings import AgentSettings
from voice_agent.turn import Question, run_turn

_FIELDS = ("audio_file", "file", "audio")


def agent_routes(parts: Parts, settings: AgentSettings) -> Blueprint:
    """Return the blueprint of ``/api/converse`` and ``/v1/models``."""
    routes = Blueprint("agent", __name__)

    @routes.post("/api/converse")
    @operation(
        "Answer a spoken question with speech",
        tag="Conversation",
        request=ConverseRequest,
        files={"audio_file": "The question, any format that FFmpeg reads."},
        responses={200: ("audio/wav", "application/json")},
        description="The answer is a WAV, streamed as it is made; with `Accept: application/json` "
        "it is JSON with transcription, reply and the WAV in base64. Nothing is remembered: "
        "conversations are held over `/ws`.",
    )
    def converse() -> Response:
        fields = validate(ConverseRequest, query_and_form())
        memory = Conversation(1, settings.llm_context - settings.reply_max_tokens)
        events = run_turn(parts, _question(fields.language), memory)
        wants = request.accept_mimetypes.best_match(["audio/wav", "application/json"])
        return _as_json(events) if wants == "application/json" else _as_wav(events)

    @routes.get("/v1/models")
    @operation("The language models", tag="Models", responses={200: ModelList})
    def models() -> Response:
        return jsonify(ModelList(data=_models(parts.llms)).model_dump())

    return routes


def _question(language: str | None) -> Question:
    if request.mimetype == "multipart/form-data":
        upload = next((request.files[name] for name in _FIELDS if name in request.files), None)
        if upload is None:
            raise InvalidRequest(
                f"no recording: expected the multipart field '{_FIELDS[0]}'", param=_FIELDS[0]
            )
        audio, content_type = upload.stream.read(), upload.content_type or ""
    else:
        audio, content_type = request.get_data(cache=False), request.content_type or ""
    if not audio:
        raise InvalidRequest("the recording is empty", param=_FIELDS[0], code="empty_audio")
    return Question(audio, content_type, language)


def _as_json(events: Iterator[Event]) -> Response:
    turn = Collected()
    for event in events:
        turn.add(event)
    if failure := turn.fault("llm"):
        raise failure
    wav = turn.wav()
    failure = turn.fault("tts")
    answer = SpokenAnswer(
        **turn.answer().model_dump(),
        audio=base64.b64encode(wav).decode() if wav is not None and failure is None else None,
        tts_engine=turn.begins.engine if turn.begins is not None else None,
        error=failure.body()["error"] if failure is not None else None,
        times=turn.times,
    )
    return jsonify(answer.model_dump(exclude_none=True))


def _as_wav(events: Iterator[Event]) -> Response:
    """Wait for the first audio before responding, so that earlier errors set the HTTP status."""
    heard: Heard | None = None
    try:
        for event in events:
            match event:
                case Heard():
                    heard = event
                    if not event.text:
                        raise InvalidRequest("nothing was said in the recording", code="no_speech")
                case Fault():
                    raise event.error
                case AudioBegins():
                    return _streamed(events, event, heard)
                case _:
                    continue
        raise NotReady("the language model said nothing", code="empty_reply")
    except BaseException:
        close_quietly(events)
        raise


def _streamed(events: Iterator[Event], begins: AudioBegins, heard: Heard | None) -> Response:
    def body() -> Iterator[bytes]:
        yield wav_header(begins.format, None)
        for event in events:
            if isinstance(event, Fault):
                # Raising breaks the connection, so that the client notices the truncated audio.
                raise event.error
            if isinstance(event, Audio) and len(event.samples):
                yield np.asarray(event.samples, "<i2").tobytes()

    pieces = ClosingIterator(body(), lambda: close_quietly(events))
    response = Response(pieces, mimetype="audio/wav", direct_passthrough=True)
    response.headers["X-Engine"] = begins.engine
    response.headers["X-Voice"] = begins.voice
    response.headers["X-Sample-Rate"] = str(begins.format.sample_rate)
    if heard is not None and heard.language:
        response.headers["X-Language"] = heard.language
    return response


def _models(host: EngineHost[LlmEngine]) -> list[Model]:
    try:
        engines = host.engines()
    except MeshError:
        return []
    return [
        Model(
            id=engine.spec.model,
            owned_by="voicemesh",
            task="chat",
            engine=engine.spec.name,
            licence=engine.spec.licence,
            commercial_use=engine.spec.commercial_use,
            ready=not engine.unavailable(),
        )
        for engine in engines
    ]
