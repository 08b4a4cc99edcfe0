"""Voice names of the OpenAI API and the built-in voices that answer to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tts_service.engines.base import Gender


@dataclass(frozen=True, slots=True)
class Persona:
    """What an OpenAI voice name stands for.

    Attributes:
        voice: the built-in voice for English.
        gender: chooses the native voice when another language is spoken, or when ``voice`` is not
            there.
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
"""Five of the names are those of Kokoro's own voices; the others go by register."""

MODEL_ALIASES = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")
"""Model names of OpenAI that mean "whatever this service would choose"."""


def aliases_of(voice: str) -> list[str]:
    """The OpenAI names that ``voice`` answers to."""
    return sorted(name for name, persona in PERSONAS.items() if persona.voice == voice)
