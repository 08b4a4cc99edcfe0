"""Self-hosted fish-speech server (engine fish-local).

The server is installed by its own instructions; its code and weights are not part of the mesh. The
weights do not allow commercial use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.core.errors import NotReady
from shared.engines.registry import EngineSpec
from tts_service.engines.base import Piece, SynthesisRequest
from tts_service.engines.fish.engine import FishEngine, circuit_of, timeouts_of, voices_of
from tts_service.engines.fish.http import FishConnection, is_header_safe
from tts_service.engines.fish.reference import FishReferences
from tts_service.engines.fish.request import (
    languages_of,
    parameters_of,
    sampling_of,
    writes_emotions,
)
from tts_service.sound.loudness import CALIBRATION

if TYPE_CHECKING:
    from tts_service.settings import TtsSettings

_NAME = "fish-local"
_HONOURED = frozenset(
    {"speed", "temperature", "top_p", "chunk_length", "repetition_penalty", "reference_text"}
)
_CODEC_RATE = 44_100
"""Sample rate of the known codecs, Hz; the server does not offer a choice."""
_SEED = 7
"""Without a reference the model samples a new voice for each sentence; a fixed seed keeps it."""


def build(settings: TtsSettings) -> FishLocalEngine:
    """Return the engine for the settings."""
    return FishLocalEngine(settings)


class FishLocalEngine(FishEngine):
    """An engine for a model on a fish-speech server."""

    native_speed = (1.0, 1.0)
    """The server has no speed parameter, so all speeds use time stretching."""

    def __init__(self, settings: TtsSettings) -> None:
        model = settings.fish_local_model
        self._key = settings.fish_local_key.get_secret_value()
        self._languages = languages_of(model)
        self._rate = _CODEC_RATE
        super().__init__(
            FishConnection(
                "the fish-speech server",
                settings.fish_local_url,
                key=self._key,
                headers={},
                timeouts=timeouts_of(settings),
                proxies=False,
            ),
            model,
            circuit_of(_NAME, settings),
            voices_of(settings.fish_local_voices, "fish-local-default", self._languages),
            FishReferences("wav"),
            settings.fish_early_sound,
        )

    @property
    def spec(self) -> EngineSpec:
        """Declared capabilities; the sample rate is the server's after the warm-up."""
        tags = {"emotion"} if writes_emotions(self._model) else frozenset()
        return EngineSpec(
            name=_NAME,
            model=self._model,
            licence="non-commercial (CC-BY-NC-SA-4.0 up to S1-mini, Fish Audio Research for S2)",
            commercial_use=False,
            languages=frozenset(self._languages),
            parameters=_HONOURED | tags,
            cloning="cloning",
            max_concurrency=2,
            sample_rate=self._rate,
        )

    def load(self) -> None:
        """Check the server's health.

        Raises:
            NotReady: no server answers at ``FISH_LOCAL_URL``, or the key is malformed.
        """
        if self._key and not is_header_safe(self._key):
            raise NotReady("FISH_LOCAL_KEY holds characters that no key has")
        self._connection.check()

    def warm_up(self) -> None:
        """Synthesise a sentence with the default voice to measure its sample rate and loudness."""
        voice = self._voices[0]
        request = SynthesisRequest((Piece(CALIBRATION),), voice.language, voice)
        samples, self._rate = self._fetch(self._whole_body(CALIBRATION, request, 1.0))
        self._levels.gain(voice.id, samples, self._rate)

    def _body(self, request: SynthesisRequest, text: str, speed: float) -> dict[str, Any]:
        return {
            "text": text,
            "format": "wav",
            "streaming": True,
            "seed": _SEED,
            "use_memory_cache": "on",
            **sampling_of(parameters_of(request.parameters)),
        }
