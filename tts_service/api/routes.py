"""HTTP routes of the native API."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request
from werkzeug.datastructures import FileStorage

from shared.audio.encode import MIME
from shared.core.errors import InvalidRequest, TooLarge
from shared.core.metrics import UPLOAD_BYTES
from shared.http.server.auth import presented_token
from shared.http.server.config_tokens import require_config_token
from shared.http.server.openapi import operation
from shared.http.server.parsing import parse_body
from shared.wire.speech import (
    ConfigRequest,
    ServiceConfig,
    StatusAnswer,
    SynthesizeRequest,
    VoiceRequest,
)
from tts_service.api.dialects import job_of_synthesize, job_of_voice_request, wants_whole
from tts_service.api.responses import streamed, whole
from tts_service.engines.base import Reference
from tts_service.settings import TtsSettings
from tts_service.synthesis.service import SpeechService

_AUDIO = {200: tuple(sorted(set(MIME.values())))}
_WAV = {200: ("audio/wav",)}
_HEADERS_NOTE = (
    "Headers of the answer: `X-Engine`, `X-Voice`, `X-Language`, `X-Sample-Rate`; "
    "`X-Voice-Method` and `X-Voice-Similarity` where a sample was followed; `X-Fallback` where "
    "another engine answered than the preferred one; `X-Ignored-Parameters` for what the engine "
    "cannot honour; `X-Cache` (`hit` or `miss`) where finished answers are kept."
)


def speech_routes(service: SpeechService, settings: TtsSettings) -> Blueprint:
    """Return the blueprint of the native API.

    Its routes are ``/synthesize``, ``/api/tts/*``, ``/generate-voice``, ``/api/config``,
    ``/api/status`` and ``/``.
    """
    routes = Blueprint("speech", __name__)

    @routes.post("/synthesize")
    @operation(
        "Speak a text as it is generated",
        tag="Speech",
        request=SynthesizeRequest,
        responses=_AUDIO,
        description="A streamed WAV whose length fields hold 0xFFFFFFFF (unknown), or another "
        'container with `format`. `"stream": false` gives a finished file. ' + _HEADERS_NOTE,
    )
    def synthesize() -> Response:
        wanted, _ = parse_body(SynthesizeRequest)
        as_file = wants_whole(wanted)
        stream = service.speak(job_of_synthesize(wanted, whole=as_file))
        return (whole if as_file else streamed)(stream, wanted.format)

    @routes.post("/api/tts/batch")
    @operation(
        "Speak a text as a finished file",
        tag="Speech",
        request=SynthesizeRequest,
        responses=_WAV,
        description="Exact `Content-Length` and WAV header. " + _HEADERS_NOTE,
    )
    def batch() -> Response:
        wanted, _ = parse_body(SynthesizeRequest)
        return whole(service.speak(job_of_synthesize(wanted, whole=True)), wanted.format)

    @routes.post("/api/tts/stream")
    @operation(
        "Speak a text as it is generated",
        tag="Speech",
        request=SynthesizeRequest,
        responses=_WAV,
        description="As `/synthesize`. " + _HEADERS_NOTE,
    )
    def stream() -> Response:
        wanted, _ = parse_body(SynthesizeRequest)
        return streamed(service.speak(job_of_synthesize(wanted, whole=False)), wanted.format)

    @routes.post("/generate-voice")
    @operation(
        "Speak a text, in the manner of a sample where one is sent",
        tag="Speech",
        request=VoiceRequest,
        files={"sample": "A recording of the voice to follow, any format that FFmpeg reads."},
        responses=_AUDIO,
        description="Fields flat or nested under `parameters`; Portuguese names are taken too. "
        "The embedded engines match the sample with a mix of their voices: they do not clone. "
        + _HEADERS_NOTE,
    )
    def generate_voice() -> Response:
        wanted, files = parse_body(VoiceRequest)
        as_file = wants_whole(wanted.parameters)
        sample = _sample(files, settings.max_reference_bytes)
        answer = service.speak(job_of_voice_request(wanted, sample, whole=as_file))
        return (whole if as_file else streamed)(answer, wanted.parameters.format)

    @routes.get("/api/config")
    @operation("The defaults in force", tag="Configuration", responses={200: ServiceConfig})
    def read_config() -> Response:
        return jsonify(_config(service).model_dump())

    @routes.post("/api/config")
    @operation(
        "Set the default voice and language",
        tag="Configuration",
        request=ConfigRequest,
        responses={200: ServiceConfig},
        description="The voice is prepared at once, so that its first use is immediate. The "
        "defaults outlive a restart. Where the disk is full the answer is 507 and nothing "
        "changes. With `CONFIG_TOKENS` other tokens get 403 with the code `config_forbidden`.",
    )
    def write_config() -> Response:
        headers = {"authorization": request.headers.get("Authorization", "")}
        token = presented_token(headers, {}, websocket=False)
        require_config_token(token, settings, behind_gateway=True)
        wanted, _ = parse_body(ConfigRequest)
        service.configure(
            language=wanted.language,
            sample_name=wanted.voice_sample,
            keep_sample="voice_sample" not in wanted.model_fields_set,
        )
        return jsonify(_config(service).model_dump())

    @routes.get("/")
    @routes.get("/api/status")
    @operation("Health, with the defaults", tag="Configuration", responses={200: StatusAnswer})
    def status() -> Response:
        answer = StatusAnswer(message="TTS service is running", config=_config(service))
        return jsonify(answer.model_dump())

    return routes


def _config(service: SpeechService) -> ServiceConfig:
    defaults = service.defaults
    return ServiceConfig(voice_sample=defaults.voice_sample, language=defaults.language)


def _sample(files: dict[str, FileStorage], max_bytes: int) -> Reference | None:
    """Return the uploaded recording; files in other fields are rejected."""
    unknown = sorted(set(files) - {"sample"})
    if unknown:
        raise InvalidRequest("the recording is expected in the field 'sample'", param="sample")
    upload = files.get("sample")
    if upload is None:
        return None
    data = upload.stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise TooLarge(f"the recording is larger than {max_bytes} bytes", param="sample")
    if not data:
        raise InvalidRequest("the recording is empty", param="sample")
    UPLOAD_BYTES.labels(route="/generate-voice").observe(len(data))
    return Reference(data, "sample")
