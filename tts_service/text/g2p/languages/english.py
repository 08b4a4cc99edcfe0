"""English grapheme-to-phoneme with hibari's G2P (Apache-2.0), which uses Kokoro's symbols.

It is a port of the English part of misaki, with which the training texts of Kokoro's English voices
were transcribed. `A I O W Y` are diphthongs, `T` is the flap, `ᵊ` a short schwa.
"""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any

from tts_service.text.g2p.vocabulary import fit

requires = ("hibari",)
"""Modules that must be installed."""

_lock = Lock()


@cache
def _engine(british: bool) -> Any:
    from hibari.g2p import G2P  # noqa: PLC0415 - a model library, loaded when first needed

    return G2P(british=british)


def phonemize(text: str, *, british: bool = False) -> str:
    """Convert text to Kokoro's alphabet in American or, with `british`, British English."""
    with _lock:  # the lexicon keeps per-call state
        lines = [_line(line, british) for line in text.splitlines() if line.strip()]
    return fit(" ".join(lines))


def _line(text: str, british: bool) -> str:
    spoken = str(_engine(british)(text))
    end = text.rstrip()[-1]
    # The tokenizer reads the full stop after a letter (3 P M.) as part of an abbreviation.
    return spoken + end if end in ".!?" and not spoken.endswith(end) else spoken
