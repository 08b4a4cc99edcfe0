"""WebSocket ``/ws/tts``: a JSON request, binary audio chunks and an end event, repeatedly."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from flask import Flask

from shared.audio.encode import encode_stream
from shared.core.errors import MalformedRequest, MeshError, Overloaded
from shared.core.metrics import REQUESTS, STREAMS_ABORTED
from shared.http.server.asgi.flask_service import ws_route
from shared.http.server.asgi.socket import Socket
from shared.http.server.error_responses import as_mesh_error
from shared.wire.speech import SynthesizeRequest
from shared.wire.validation import validate
from tts_service.api.dialects import job_of_synthesize
from tts_service.api.responses import facts_about
from tts_service.synthesis.service import SpeechService

_IDLE_S = 300.0
"""Idle timeout after which a connection is closed, seconds."""

_DESCRIPTION = """Send `{"text": …, "language": …}` (further fields as in `/synthesize`). The answer
is `{"event": "start", "sample_rate", "format", "engine", "voice", …}`, binary messages, and
`{"event": "end"}`; then the next request may follow on the same socket. The binary messages put
together are one file in the container that `format` names (`wav` by default: the first message
begins with a header whose length fields hold 0xFFFFFFFF; `pcm` is bare 24 kHz s16le). Where an
engine failed on the way and another one went on, `end` says so: `fallback`, `engine`, `voice`. A
request that fails is answered with `{"error": …}` and the socket stays open; a failure after the
first binary message closes it, so that a truncated answer never looks whole."""


def install(app: Flask, service: SpeechService, max_sessions: int) -> None:
    """Register the WebSocket route ``/ws/tts`` on ``app``.

    Args:
        app: the Flask application.
        service: speaks the requests.
        max_sessions: sockets that are spoken to at once; idle ones do not count.
    """
    speaking = threading.BoundedSemaphore(max_sessions)

    @ws_route(
        app,
        "/ws/tts",
        summary="Speak texts over a socket",
        tag="Speech",
        description=_DESCRIPTION,
    )
    def tts_session(socket: Socket) -> None:
        while not socket.closed:
            message = socket.receive(timeout=_IDLE_S)
            if message is None:
                return
            if not speaking.acquire(blocking=False):
                socket.send_json(_error_event(Overloaded("too many sessions")))
                continue
            try:
                _answer(socket, service, message)
            finally:
                speaking.release()


def _answer(socket: Socket, service: SpeechService, message: str | bytes) -> None:
    """Answer one request; an error before the first audio is sent as an error event."""
    started = time.monotonic()
    engine, outcome = "", "ok"
    try:
        request = validate(SynthesizeRequest, _parse(message))
        stream = service.speak(job_of_synthesize(request, whole=False))
    except Exception as error:
        fault = as_mesh_error(error)
        REQUESTS.labels(route="/ws/tts", engine="", outcome=fault.code).inc()
        socket.send_json(_error_event(fault))
        return
    engine = stream.engine
    try:
        sent = facts_about(stream, request.format)
        socket.send_json(_start_event(sent, request.format))
        for data in encode_stream(iter(stream.chunks), stream.format, request.format):
            socket.send(data)
        ended = facts_about(stream, request.format)
        seconds = round(time.monotonic() - started, 3)
        socket.send_json({"event": "end", "seconds": seconds, **_facts(ended, sent)})
    except BaseException as error:
        outcome = error.code if isinstance(error, MeshError) else "client_closed"
        STREAMS_ABORTED.labels(kind="websocket", reason=outcome).inc()
        raise
    finally:
        stream.close()
        REQUESTS.labels(route="/ws/tts", engine=engine, outcome=outcome).inc()


def _parse(message: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):  # the latter: nested too deeply
        raise MalformedRequest("a request is one JSON object") from None
    if not isinstance(value, dict):
        raise MalformedRequest("a request is one JSON object")
    return value


def _facts(headers: dict[str, str], sent: dict[str, str]) -> dict[str, str]:
    """Return ``headers`` as event fields, without those already sent in ``sent``.

    An answer that another engine finished has a ``fallback``, and the final engine and voice.
    """
    new = {name: value for name, value in headers.items() if sent.get(name) != value}
    return {name[2:].lower().replace("-", "_"): value for name, value in new.items()}


def _start_event(headers: dict[str, str], container: str) -> dict[str, Any]:
    return {
        "event": "start",
        **_facts(headers, {}),
        "format": container,
        "sample_rate": int(headers["X-Sample-Rate"]),
    }


def _error_event(fault: MeshError) -> dict[str, Any]:
    body = fault.body()
    if fault.retry_after is not None:
        body["error"]["retry_after"] = fault.retry_after
    return body
