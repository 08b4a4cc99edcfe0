"""English grapheme-to-phoneme with hibari's G2P (Apache-2.0), which uses Kokoro's symbols.

It is a port of the English part of misaki, with which the training texts of Kokoro's English voices
were transcribed. `A I O W Y` are diphthongs, `T` is the flap, `ᵊ` a short schwa.
"""

from __future__ import annotations

import re
from functools import cache
from threading import Lock
from typing import Any

from tts_service.text.g2p.vocabulary import fit

requires = ("hibari",)
"""Modules that must be installed."""

_lock = Lock()
_CHUNK = re.compile(r"\S{17,}")
_JOINT = re.compile(r"[^\w\s]|(?<=[a-zß-öø-ÿ])(?=[A-ZÀ-ÖØ-Þ])")
_MOST_JOINTS = 16
"""Joints of a compound; jack-of-all-trades-and-master-of-none has seven."""


@cache
def _engine(british: bool) -> Any:
    from hibari.g2p import G2P  # noqa: PLC0415 - a model library, loaded when first needed

    return G2P(british=british)


def phonemize(text: str, *, british: bool = False) -> str:
    """Convert text to Kokoro's alphabet in American or, with `british`, British English."""
    with _lock:  # the lexicon keeps per-call state
        spaced = _CHUNK.sub(_spaced, text)
        lines = [_line(line, british) for line in spaced.splitlines() if line.strip()]
    return fit(" ".join(lines))


def _spaced(chunk: re.Match[str]) -> str:
    """Separate the parts of an endless compound (a-a-a-…, AbAbAb…).

    The tokenizer tries each part of a compound with each other part, in cubic time.
    """
    spaced, joints = _JOINT.subn(r"\g<0> ", chunk.group())
    return spaced if joints > _MOST_JOINTS else chunk.group()


def _line(text: str, british: bool) -> str:
    spoken = str(_engine(british)(text))
    end = text.rstrip()[-1]
    # The tokenizer reads the full stop after a letter (3 P M.) as part of an abbreviation.
    return spoken + end if end in ".!?" and not spoken.endswith(end) else spoken
