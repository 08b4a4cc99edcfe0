"""Language names and tags as callers write them → the tag an engine knows."""

from __future__ import annotations

from shared.engines import EngineSpec
from shared.errors import InvalidRequest

_NAMES = {
    "english": "en",
    "spanish": "es",
    "español": "es",
    "castilian": "es",
    "portuguese": "pt",
    "português": "pt",
    "french": "fr",
    "français": "fr",
    "italian": "it",
    "italiano": "it",
    "german": "de",
    "deutsch": "de",
    "chinese": "zh",
    "japanese": "ja",
    "korean": "ko",
    "hindi": "hi",
    "arabic": "ar",
    "russian": "ru",
    "dutch": "nl",
    "polish": "pl",
    "turkish": "tr",
    "czech": "cs",
    "hungarian": "hu",
}
"""Names that the OpenAI API's verbose answers use, and that people type."""


def tag_of(given: str | None, spec: EngineSpec) -> str | None:
    """``en-US``, ``EN`` and ``english`` → ``en``; None, ``auto`` and ``und`` → None (detect).

    Raises:
        InvalidRequest: the engine knows no such language; lists those it does.
    """
    if given is None:
        return None
    name = given.strip().lower().replace("_", "-")
    if name in ("", "auto", "und", "detect"):
        return None
    tag = _NAMES.get(name) or name.split("-", 1)[0]
    if spec.languages and tag not in spec.languages:
        raise InvalidRequest(
            f"language '{given[:32]}' is not known",
            param="language",
            details={"available": sorted(spec.languages)},
        )
    return tag
