"""Client of the speech synthesis service for other services."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import requests
import urllib3

from shared.audio.encode import PCM_RATE
from shared.audio.pcm import AudioFormat, Pcm16, PcmStream, whole_samples
from shared.core.errors import UpstreamUnavailable
from shared.http.client.error_parsing import fault_from_response
from shared.http.client.pool import UpstreamPool
from shared.wire.speech import Voice, VoiceList
from shared.wire.validation import validate_answer

_READ = 1 << 15
_VOICES_EVERY_S = 60.0
_RATES = range(8_000, 192_001)


class TtsClient:
    """A client for ``POST /synthesize`` and the voice list of an upstream pool."""

    def __init__(self, pool: UpstreamPool) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._voices: tuple[float, list[Voice]] | None = None

    def speak(
        self,
        text: str,
        *,
        language: str | None = None,
        voice: str | None = None,
        speed: float = 1.0,
    ) -> PcmStream:
        """Synthesize ``text`` and return the audio stream.

        Always close the stream: closing it stops the engine.

        Raises:
            MeshError: the service's own error (``InvalidRequest`` for a language that no engine
                supports, ``Overloaded``, …), ``UpstreamUnavailable`` (also for an answer that is no
                audio), ``UpstreamTimeout``; while iterating, ``UpstreamUnavailable`` if the stream
                breaks off or is empty.
        """
        request: dict[str, Any] = {"text": text, "speed": speed, "format": "pcm"}
        if language:
            request["language"] = language
        if voice:
            request["voice"] = voice
        response = self._pool.request(
            "POST",
            "/synthesize",
            headers={"Content-Type": "application/json"},
            body=json.dumps(request).encode(),
        )
        if response.status_code != 200:
            raise fault_from_response(response)
        try:
            format_ = _format(response)
        except UpstreamUnavailable:
            response.close()
            raise
        headers = response.headers
        return PcmStream(
            format_,
            _samples(response),
            engine=headers.get("X-Engine", ""),
            headers={k: v for k, v in headers.items() if k.lower().startswith("x-")},
        )

    def voices(self) -> list[Voice]:
        """Return the list of voices, cached for a minute. Errors as :meth:`UpstreamPool.json`."""
        with self._lock:
            known = self._voices
        if known is not None and time.monotonic() - known[0] < _VOICES_EVERY_S:
            return known[1]
        found = self._pool.json("GET", "/v1/audio/voices")
        voices = validate_answer(VoiceList, found, "tts").voices
        with self._lock:
            self._voices = (time.monotonic(), voices)
        return voices

    def is_ready(self) -> bool:
        """Return whether a replica is ready."""
        return self._pool.is_ready()


def _format(response: requests.Response) -> AudioFormat:
    """Return the format of raw PCM from the headers.

    Raises:
        UpstreamUnavailable: the answer is no audio, or its sample rate is impossible.
    """
    kind = response.headers.get("Content-Type", "")
    if not kind.startswith("audio/"):
        raise UpstreamUnavailable("tts sent something that is no audio")
    rate = response.headers.get("X-Sample-Rate", str(PCM_RATE))
    # Longer numbers are impossible rates, and int() refuses thousands of digits.
    if not (rate.isdecimal() and len(rate) <= 6 and int(rate) in _RATES):
        raise UpstreamUnavailable("tts sent audio with an impossible sample rate")
    return AudioFormat(int(rate))


def _samples(response: requests.Response) -> Iterator[Pcm16]:
    empty = True
    pieces = iter(partial(response.raw.read1, _READ, decode_content=False), b"")
    try:
        for samples in whole_samples(pieces):
            empty = False
            yield np.frombuffer(samples, "<i2")
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise UpstreamUnavailable("tts broke off in the middle of a sentence") from error
    finally:
        response.close()
    if empty:
        raise UpstreamUnavailable("tts sent no audio")
