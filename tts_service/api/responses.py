"""A PcmStream as an HTTP answer: streamed, whole, or as server-sent events."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import numpy as np
from flask import Response

from shared.audio.encode import MIME, Container, encode, encode_stream
from shared.audio.pcm import Pcm16, PcmStream
from shared.core.errors import MeshError
from shared.core.streaming import closing_after, prime
from shared.http.server.faults import as_mesh_error

_CHARS_PER_TOKEN = 4
"""OpenAI's rule of thumb; the usage block of its API counts tokens, and so must ours."""


def streamed(stream: PcmStream, container: Container) -> Response:
    """Bytes as the audio is made, chunked. A failure on the way drops the connection, so that a
    truncated answer never looks whole."""
    encoded = encode_stream(iter(stream.chunks), stream.format, container)
    body = closing_after(encoded, stream.close)
    response = Response(_first_now(body), mimetype=None, content_type=MIME[container])
    response.headers.update(stream.headers)
    # A proxy that collects the answer before passing it on would undo the streaming.
    response.headers["X-Accel-Buffering"] = "no"
    response.headers["Cache-Control"] = "no-store"
    return response


def whole(stream: PcmStream, container: Container) -> Response:
    """The finished file with exact lengths."""
    pcm = collect(stream)
    response = Response(encode(pcm, stream.format, container), content_type=MIME[container])
    response.headers.update(stream.headers)
    response.headers["X-Audio-Duration"] = f"{pcm.size / stream.format.sample_rate:.3f}"
    response.headers["Cache-Control"] = "no-store"
    return response


def events(stream: PcmStream, container: Container, text: str) -> Response:
    """OpenAI's ``speech.audio.delta`` and ``speech.audio.done`` events.

    A failure on the way is an event with an ``error`` object, which the client library raises.
    """
    encoded = encode_stream(iter(stream.chunks), stream.format, container)
    body = closing_after(_events(encoded, stream, text), stream.close)
    response = Response(_first_now(body), content_type="text/event-stream; charset=utf-8")
    response.headers.update(stream.headers)
    response.headers["X-Accel-Buffering"] = "no"
    response.headers["Cache-Control"] = "no-store"
    return response


def collect(stream: PcmStream) -> Pcm16:
    """All samples of ``stream``, which is closed afterwards."""
    try:
        return np.concatenate(list(stream.chunks))
    finally:
        stream.close()


def _first_now(body: Iterator[bytes]) -> Iterator[bytes]:
    """Encoding begins before the status line is sent: what fails at once is an error answer."""
    return prime(body)


def _events(encoded: Iterator[bytes], stream: PcmStream, text: str) -> Iterator[bytes]:
    sent = 0
    told = stream.headers.get("X-Fallback")
    try:
        for data in encoded:
            sent += len(data)
            yield _event({"type": "speech.audio.delta", "audio": base64.b64encode(data).decode()})
    except GeneratorExit:
        raise
    except Exception as error:
        fault: MeshError = as_mesh_error(error)
        if sent == 0:
            raise fault from error
        yield _event({"type": "error", **fault.body()})
        return
    tokens_in = max(1, len(text) // _CHARS_PER_TOKEN)
    usage = {"input_tokens": tokens_in, "output_tokens": 0, "total_tokens": tokens_in}
    done: dict[str, object] = {"type": "speech.audio.done", "usage": usage}
    if (fallback := stream.headers.get("X-Fallback")) != told:
        # Another engine went on in the middle, when the headers were gone already.
        done |= {"fallback": fallback, "engine": stream.headers.get("X-Engine")}
    yield _event(done)


def _event(value: dict[str, object]) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()
