"""Voice names of the OpenAI API and the built-in voices that they map to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tts_service.engines.base import Gender


@dataclass(frozen=True, slots=True)
class Persona:
    """The voice that an OpenAI voice name maps to.

    Attributes:
        voice: the built-in voice for English.
        gender: gender of the native voice for other languages, or where ``voice`` is not available.
    """

    voice: str
    gender: Gender


PERSONAS: Mapping[str, Persona] = MappingProxyType(
    {
        "alloy": Persona("af_alloy", "female"),
        "ash": Persona("am_adam", "male"),
        "ballad": Persona("bm_george", "male"),
        "cedar": Persona("am_michael", "male"),
        "coral": Persona("af_bella", "female"),
        "echo": Persona("am_echo", "male"),
        "fable": Persona("bm_fable", "male"),
        "marin": Persona("af_heart", "female"),
        "nova": Persona("af_nova", "female"),
        "onyx": Persona("am_onyx", "male"),
        "sage": Persona("af_sarah", "female"),
        "shimmer": Persona("af_sky", "female"),
        "verse": Persona("am_puck", "male"),
    }
)
"""Five names are those of Kokoro's own voices; the others are mapped by register."""

MODEL_ALIASES = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")
"""OpenAI's model names, which select this service's default model."""


def aliases_of(voice: str) -> list[str]:
    """Return the OpenAI names that map to ``voice``."""
    return sorted(name for name, persona in PERSONAS.items() if persona.voice == voice)
