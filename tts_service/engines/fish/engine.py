"""Base class of the Fish engines, which send one sentence per request."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from shared.audio.pcm import Float32
from shared.audio.samples import Resampler, pcm16_to_float, resample
from shared.core.breaker import CircuitBreaker
from shared.core.errors import InvalidRequest, NotReady
from tts_service.engines.base import (
    EngineVoice,
    PreparedVoice,
    Reference,
    SynthesisRequest,
)
from tts_service.engines.fish.circuit import Circuit
from tts_service.engines.fish.http import FishConnection, Timeouts
from tts_service.engines.fish.reference import FishReferences
from tts_service.engines.fish.request import parameters_of, with_emotion
from tts_service.engines.fish.settings import FishSettings
from tts_service.engines.fish.wav_parser import WavReader
from tts_service.engines.waveform_base import WaveformEngine
from tts_service.sound.joins import fade_chunks
from tts_service.sound.trimming import trimmed
from tts_service.sound.voice_levels import VoiceLevels
from tts_service.text.language_tags import resolve
from tts_service.text.pieces import is_speakable

_LONGEST_SENTENCE_S = 300.0


class FishEngine(WaveformEngine):
    """An engine on a Fish server.

    A sentence is output when it has arrived completely. If a response is cut, nothing of the
    sentence was played and another engine can synthesise it. Later sentences arrive while earlier
    ones are played, so that only the first one adds latency.

    Args:
        connection: connection to the server.
        model: the server's model; determines how emotions are written.
        circuit: circuit breaker of the server.
        voices: ``(voice, reference id or None)``, the default first.
        references: prepares reference recordings.
        early_sound: output the first sentence while it arrives, once its voice's level is known.
    """

    device = "remote"

    def __init__(
        self,
        connection: FishConnection,
        model: str,
        circuit: Circuit,
        voices: Sequence[tuple[EngineVoice, str | None]],
        references: FishReferences,
        early_sound: bool,
    ) -> None:
        self._connection = connection
        self._model = model
        self._circuit = circuit
        self._voices = tuple(voice for voice, _ in voices)
        self._reference_ids = {voice.id: reference for voice, reference in voices}
        self._references = references
        self._early_sound = early_sound
        self._levels = VoiceLevels()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def voices(self) -> Sequence[EngineVoice]:
        """Return the configured voices, else the server's default voice."""
        return self._voices

    def prepare(self, reference: Reference) -> PreparedVoice:
        """Prepare a reference recording, which is sent to the server with each sentence."""
        return self._references.prepare(reference)

    def fingerprint(self) -> Mapping[str, object]:
        """Return the server's address and the ids of its voices, since a name may be reassigned."""
        return {
            "server": self._connection.url,
            "voices": {name: reference or "" for name, reference in self._reference_ids.items()},
        }

    @abstractmethod
    def _body(self, request: SynthesisRequest, text: str, speed: float) -> dict[str, Any]:
        """Return the body of ``POST /v1/tts`` without the voice."""

    def _gain(self, request: SynthesisRequest) -> float:
        # The gain is known only when there is audio: see _render.
        return 1.0

    def _utterances(
        self, text: str, request: SynthesisRequest, speed: float, factor: float
    ) -> Generator[Iterable[Float32], None, None]:
        level = self._levels.known(_voice_of(request))
        first = request.progress.piece == 0
        if not (self._early_sound and first and level is not None and factor == 1.0):
            yield from super()._utterances(text, request, speed, factor)
        elif is_speakable(text):
            arriving = self._arriving(self._whole_body(text, request, speed), level)
            with closing(arriving):
                rate = self.spec.sample_rate
                yield fade_chunks(trimmed(arriving, rate), rate)

    def _render(self, text: str, request: SynthesisRequest, speed: float) -> Iterator[Float32]:
        # Punctuation alone is not worth a request.
        if not is_speakable(text):
            return
        samples, rate = self._fetch(self._whole_body(text, request, speed))
        level = self._levels.gain(_voice_of(request), samples, rate)
        yield resample(samples * np.float32(level), rate, self.spec.sample_rate)

    def _whole_body(self, text: str, request: SynthesisRequest, speed: float) -> dict[str, Any]:
        """Return the body of ``POST /v1/tts``.

        Raises:
            InvalidRequest: a parameter is out of range.
        """
        parameters = parameters_of(request.parameters)
        body = self._body(request, with_emotion(text, parameters.emotion, self._model), speed)
        if request.prepared is not None:
            body["references"] = [request.prepared.data.body(parameters.reference_text)]
        elif (reference_id := self._reference_ids[request.voice.id]) is not None:
            body["reference_id"] = reference_id
        return body

    def _arriving(self, body: dict[str, Any], level: float) -> Generator[Float32, None, None]:
        """Yield the audio of one sentence as it arrives, at the engine's sample rate."""
        reader = WavReader(self._connection.name, _LONGEST_SENTENCE_S)
        resampler: Resampler | None = None
        with self._circuit.call():
            with closing(self._connection.speak(body)) as parts:
                for part in parts:
                    samples = pcm16_to_float(reader.feed(part))
                    if samples.size:
                        rate = reader.sample_rate or self.spec.sample_rate
                        resampler = resampler or Resampler(rate, self.spec.sample_rate)
                        yield resampler.feed(samples) * np.float32(level)
            reader.finish()
        if resampler is not None:
            yield resampler.flush() * np.float32(level)

    def _fetch(self, body: dict[str, Any]) -> tuple[Float32, int]:
        """Return the audio of one sentence, shape ``(n,)``, and its sample rate, Hz.

        Raises:
            MeshError: as :meth:`FishConnection.speak`, :class:`WavReader` and :class:`Circuit`.
        """
        reader = WavReader(self._connection.name, _LONGEST_SENTENCE_S)
        with self._circuit.call():
            with closing(self._connection.speak(body)) as parts:
                samples = np.concatenate([reader.feed(part) for part in parts] or [_NOTHING])
            reader.finish()
        return pcm16_to_float(samples), reader.sample_rate or self.spec.sample_rate


_NOTHING = np.zeros(0, np.int16)


def _voice_of(request: SynthesisRequest) -> str:
    return request.voice.id if request.prepared is None else request.prepared.id


def timeouts_of(settings: FishSettings) -> Timeouts:
    """Return the timeouts of one sentence."""
    return Timeouts(
        connect=settings.fish_connect_timeout_s,
        first=settings.fish_first_audio_timeout_s,
        gap=settings.fish_gap_timeout_s,
        total=settings.fish_sentence_timeout_s,
    )


def circuit_of(engine: str, settings: FishSettings) -> Circuit:
    """Create a closed circuit for ``engine``."""
    return Circuit(engine, CircuitBreaker(cooldown_s=settings.fish_circuit_cooldown_s))


def voices_of(
    entries: Sequence[str], default: str, languages: Sequence[str]
) -> list[tuple[EngineVoice, str | None]]:
    """Parse the voices in the settings (``name=reference_id@language``).

    Each voice speaks all ``languages``. Without entries the result is ``default``, the server's own
    voice.

    Raises:
        NotReady: a voice's language is not supported.
    """
    if not entries:
        return [(EngineVoice(default, languages[0], frozenset(languages)), None)]
    voices: list[tuple[EngineVoice, str | None]] = []
    for entry in entries:
        name, _, rest = entry.partition("=")
        reference_id, _, tag = rest.partition("@")
        try:
            language = resolve(tag, languages)[0] if tag else languages[0]
        except InvalidRequest:
            raise NotReady(f"voice '{name}': the model does not speak '{tag}'") from None
        voices.append((EngineVoice(name, language, frozenset(languages)), reference_id))
    return voices
