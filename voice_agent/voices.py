"""Choose the voice of a reply from ``VOICE_NAME`` and the user's language."""

from __future__ import annotations

from collections.abc import Sequence

from shared.wire.speech import Voice

_GENDERS = {
    "man": "male",
    "male": "male",
    "hombre": "male",
    "homem": "male",
    "woman": "female",
    "female": "female",
    "mujer": "female",
    "mulher": "female",
}


def choose_voice(wanted: str, language: str | None, catalogue: Sequence[Voice]) -> str | None:
    """Return the voice to request; None for the synthesis service's default.

    Args:
        wanted: ``man``, ``woman``, a voice's name, or empty.
        language: language tag of the reply.
        catalogue: the available voices.
    """
    if not wanted:
        return None
    gender = _GENDERS.get(wanted.lower())
    if gender is None:
        return wanted
    tag = (language or "en").lower()
    native = [v for v in catalogue if _speaks(v.language, tag) and v.gender == gender]
    return native[0].id if native else None


def _speaks(voice_language: str, tag: str) -> bool:
    return voice_language.lower().split("-", 1)[0] == tag.split("-", 1)[0]
