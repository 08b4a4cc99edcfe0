"""Spanish, Portuguese, French and Chinese rules from piper-plus-g2p (MIT, without espeak-ng)."""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from threading import Lock
from typing import Any

from tts_service.text.g2p.tokens import plain_punctuation
from tts_service.text.g2p.vocabulary import fit

requires = ("piper_plus_g2p",)
"""Modules to be installed."""

_lock = Lock()
_MODULES = {
    "es": ("spanish", "SpanishPhonemizer"),
    "pt": ("portuguese", "PortuguesePhonemizer"),
    "fr": ("french", "FrenchPhonemizer"),
}
_NAMED = {"y_vowel": "y"}  # tokens that are names, not IPA


@cache
def _engine(language: str) -> Any:
    # On import the package tries every language it has and logs a traceback for each whose
    # library is missing; which ones we use is our own choice, so that is no news.
    logging.getLogger("piper_plus_g2p.registry").setLevel(logging.ERROR)

    module, name = _MODULES[language]
    return getattr(import_module(f"piper_plus_g2p.{module}"), name)()


def phonemize(text: str, language: str) -> str:
    """`text` in Kokoro's alphabet; `language` is `es`, `pt` or `fr`."""
    with _lock:
        found = _engine(language).phonemize(plain_punctuation(text))
    return fit("".join(_NAMED.get(token, token) for token in found))
