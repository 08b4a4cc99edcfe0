"""Convert language names and tags in requests to the tags that engines declare."""

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
"""Language names of the OpenAI API's verbose responses, and common spellings."""


def tag_of(given: str | None) -> str | None:
    """Return the language tag of a name or tag: ``en`` for ``en-US``, ``EN`` or ``english``.

    None, ``auto``, ``und``, ``detect`` and the empty string give None (detect the language).
    """
    if given is None:
        return None
    name = given.strip().lower().replace("_", "-")
    if name in ("", "auto", "und", "detect"):
        return None
    return _NAMES.get(name) or name.split("-", 1)[0]
