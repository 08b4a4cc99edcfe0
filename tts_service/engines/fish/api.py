"""Fish Audio cloud API (engine fish-api), enabled only by ``TTS_ENGINES`` and a key.

Texts and samples are sent to the cloud service, and every sentence costs money.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.core.errors import NotReady
from shared.engines.registry import EngineSpec
from tts_service.engines.base import SynthesisRequest
from tts_service.engines.fish.engine import FishEngine, circuit_of, timeouts_of, voices_of
from tts_service.engines.fish.http import FishConnection, is_header_safe
from tts_service.engines.fish.reference import FishReferences
from tts_service.engines.fish.request import (
    languages_of,
    parameters_of,
    sampling_of,
    writes_emotions,
)

if TYPE_CHECKING:
    from tts_service.settings import TtsSettings

_NAME = "fish-api"
_HONOURED = frozenset(
    {
        "speed",
        "temperature",
        "top_p",
        "chunk_length",
        "repetition_penalty",
        "latency",
        "reference_text",
    }
)


def build(settings: TtsSettings) -> FishApiEngine:
    """Return the engine for the settings."""
    return FishApiEngine(settings)


class FishApiEngine(FishEngine):
    """An engine for Fish Audio's models through the cloud API."""

    native_speed = (0.5, 2.0)

    def __init__(self, settings: TtsSettings) -> None:
        model = settings.fish_model
        languages = languages_of(model)
        self._key = settings.fish_api_key
        key = self._key.get_secret_value()
        super().__init__(
            FishConnection(
                "the Fish Audio API",
                settings.fish_api_url,
                # A key with other characters is not sent; load() rejects it.
                key=key if is_header_safe(key) else "",
                headers={"model": model},
                timeouts=timeouts_of(settings),
                proxies=True,
            ),
            model,
            circuit_of(_NAME, settings),
            voices_of(settings.fish_voices, "fish-default", languages),
            FishReferences("mp3"),
            settings.fish_early_sound,
        )
        self._spec = EngineSpec(
            name=_NAME,
            model=f"Fish Audio {model}",
            licence="Fish Audio's terms of service; what they allow depends on the account",
            commercial_use=False,
            languages=frozenset(languages),
            parameters=_HONOURED | ({"emotion"} if writes_emotions(model) else frozenset()),
            cloning="cloning",
            max_concurrency=settings.fish_concurrency,
            sample_rate=settings.fish_sample_rate,
        )

    @property
    def spec(self) -> EngineSpec:
        """Declared capabilities."""
        return self._spec

    def load(self) -> None:
        """Check the configuration without any request.

        Raises:
            NotReady: the key is missing or malformed.
        """
        if not self._key:
            raise NotReady("the Fish Audio API needs a key: set FISH_API_KEY")
        if not is_header_safe(self._key.get_secret_value()):
            raise NotReady("FISH_API_KEY holds characters that no key has")

    def warm_up(self) -> None:
        """Do nothing, since synthesis costs money.

        A wrong key therefore shows at the first request, as ``http_401``; other engines then answer
        it.
        """

    def _body(self, request: SynthesisRequest, text: str, speed: float) -> dict[str, Any]:
        body = {
            "text": text,
            "format": "wav",
            "sample_rate": self._spec.sample_rate,
            **sampling_of(parameters_of(request.parameters)),
        }
        if speed != 1.0:
            body["prosody"] = {"speed": speed, "volume": 0.0}
        return body
