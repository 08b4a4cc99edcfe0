"""Spanish and French grapheme-to-phoneme with piper-plus-g2p (MIT, no espeak-ng)."""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from threading import Lock
from typing import Any

from tts_service.text.g2p.tokens import plain_punctuation
from tts_service.text.g2p.vocabulary import fit

requires = ("piper_plus_g2p",)
"""Modules that must be installed."""

_lock = Lock()
_MODULES = {
    "es": ("spanish", "SpanishPhonemizer"),
    "fr": ("french", "FrenchPhonemizer"),
}
_NAMED = {"y_vowel": "y"}  # tokens that are names, not IPA


@cache
def _engine(language: str) -> Any:
    # On import the package tries all its languages and logs a traceback for each missing library.
    # Only some of them are used here, so these messages are suppressed.
    logging.getLogger("piper_plus_g2p.registry").setLevel(logging.ERROR)

    module, name = _MODULES[language]
    return getattr(import_module(f"piper_plus_g2p.{module}"), name)()


def phonemize(text: str, language: str) -> str:
    """Convert text to Kokoro's alphabet; `language` is `es` or `fr`."""
    with _lock:
        found = _engine(language).phonemize(plain_punctuation(text))
    return fit("".join(_NAMED.get(token, token) for token in found))
