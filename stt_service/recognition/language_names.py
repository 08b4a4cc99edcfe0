"""Language names and tags as callers write them → the tags that engines declare."""

from __future__ import annotations

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


def tag_of(given: str | None) -> str | None:
    """``en-US``, ``EN`` and ``english`` → ``en``; None, ``auto`` and ``und`` → None (detect)."""
    if given is None:
        return None
    name = given.strip().lower().replace("_", "-")
    if name in ("", "auto", "und", "detect"):
        return None
    return _NAMES.get(name) or name.split("-", 1)[0]
