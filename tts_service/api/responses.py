"""Turn a :class:`PcmStream` into an HTTP response: streamed, whole, or server-sent events.

A chunk of a streamed answer passes six iterators between its engine and the socket, each for one
reason:

1. :class:`MeteredSpeech` measures the engine and returns its lease.
2. :class:`SpeechChain` goes on with the next engine where one fails.
3. ``ResultCache.record`` keeps the answer, where the result cache is on.
4. :func:`encode_stream` encodes the container.
5. :func:`prime` starts the work before the status line, and closes the stream at the end.
6. The middleware notes how the answer ended.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import numpy as np
from flask import Response

from shared.audio.encode import MIME, PCM_RATE, Container, encode, encode_stream
from shared.audio.pcm import Pcm16, PcmStream
from shared.core.errors import MeshError
from shared.core.streaming import prime
from shared.http.server.error_responses import as_mesh_error

_CHARS_PER_TOKEN = 4
"""OpenAI's rule of thumb, used for the token counts in its API's usage block."""


def facts_about(stream: PcmStream, container: Container) -> dict[str, str]:
    """Return the headers about a stream that is sent in ``container``.

    ``pcm`` has one rate whatever the engine's, and no header of its own to say so.
    """
    own = {"X-Sample-Rate": str(PCM_RATE)} if container == "pcm" else {}
    return {**stream.headers, **own}


def streamed(stream: PcmStream, container: Container) -> Response:
    """Return a chunked response whose bytes are sent as the audio is made.

    A failure on the way drops the connection, so that a truncated answer does not look whole.
    """
    encoded = encode_stream(iter(stream.chunks), stream.format, container)
    return _streamed(encoded, stream, container, MIME[container])


def whole(stream: PcmStream, container: Container) -> Response:
    """Return a response with the finished file and its exact length."""
    pcm = collect(stream)
    response = Response(encode(pcm, stream.format, container), content_type=MIME[container])
    response.headers.update(facts_about(stream, container))
    response.headers["X-Audio-Duration"] = f"{pcm.size / stream.format.sample_rate:.3f}"
    response.headers["Cache-Control"] = "no-store"
    return response


def events(stream: PcmStream, container: Container, text: str) -> Response:
    """Return a response of OpenAI's ``speech.audio.delta`` and ``speech.audio.done`` events.

    An error in mid-stream is an event with an ``error`` object, which the client library raises.
    """
    encoded = encode_stream(iter(stream.chunks), stream.format, container)
    body = _events(encoded, stream, text)
    return _streamed(body, stream, container, "text/event-stream; charset=utf-8")


def collect(stream: PcmStream) -> Pcm16:
    """Return all samples of ``stream``, and close it."""
    try:
        return np.concatenate(list(stream.chunks))
    finally:
        stream.close()


def _streamed(
    body: Iterator[bytes], stream: PcmStream, container: Container, content_type: str
) -> Response:
    response = Response(
        # Encoding begins before the status line is sent: an early failure is an error response.
        prime(body, stream.close),
        content_type=content_type,
        # Werkzeug would put two more iterators around the body.
        direct_passthrough=True,
    )
    response.headers.update(facts_about(stream, container))
    # A proxy that collects the answer before passing it on would undo the streaming.
    response.headers["X-Accel-Buffering"] = "no"
    response.headers["Cache-Control"] = "no-store"
    return response


def _events(encoded: Iterator[bytes], stream: PcmStream, text: str) -> Iterator[bytes]:
    sent = 0
    reported = stream.headers.get("X-Fallback")
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
    if (fallback := stream.headers.get("X-Fallback")) != reported:
        # Another engine continued in mid-stream, after the headers were sent.
        done |= {"fallback": fallback, "engine": stream.headers.get("X-Engine")}
    yield _event(done)


def _event(value: dict[str, object]) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()
