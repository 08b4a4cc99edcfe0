"""What a speech request asks for, independent of the dialect it came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from shared.engines.registry import EngineSpec
from tts_service.engines.base import Reference


@dataclass(frozen=True, slots=True)
class SpeechJob:
    """A speech request.

    Attributes:
        text: the text to speak.
        language: tag, or None for the voice's own language or the default.
        voice: name of a voice, or None.
        sample_name: name of a recording in the voices folder to follow, or None.
        sample: a recording that came with the request, or None.
        model: engine name or one of OpenAI's model names, or None.
        speed: 0.25 to 4; 1 is the voice's own pace.
        parameters: all further parameters of the request, honoured or not.
        whole: the client wants a finished file, so a short first clause would gain nothing.
    """

    text: str
    language: str | None = None
    voice: str | None = None
    sample_name: str | None = None
    sample: Reference | None = None
    model: str | None = None
    speed: float = 1.0
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    whole: bool = False

    def honoured(self, spec: EngineSpec) -> tuple[float, dict[str, Any]]:
        """Return the speed and the parameters that an engine of ``spec`` takes."""
        speed = self.speed if "speed" in spec.parameters else 1.0
        return speed, {name: v for name, v in self.parameters.items() if name in spec.parameters}

    def ignored(self, spec: EngineSpec) -> list[str]:
        """Return the names of the parameters that an engine of ``spec`` does not take."""
        names = [name for name in self.parameters if name not in spec.parameters]
        if self.speed != 1.0 and "speed" not in spec.parameters:
            names.append("speed")
        return names
