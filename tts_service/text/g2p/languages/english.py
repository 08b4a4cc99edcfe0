"""English: hibari's grapheme-to-phoneme (Apache-2.0), whose symbols are already Kokoro's.

It is a port of misaki's English part, the transcriber Kokoro's English voices were trained
with: `A I O W Y` are diphthongs, `T` the flap, `ᵊ` a short schwa.
"""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any

from tts_service.text.g2p.vocabulary import fit

requires = ("hibari",)
"""Modules to be installed."""

_lock = Lock()


@cache
def _engine(british: bool) -> Any:
    from hibari.g2p import G2P  # noqa: PLC0415 - a model library, loaded when first needed

    return G2P(british=british)


def phonemize(text: str, *, british: bool = False) -> str:
    """`text` in Kokoro's alphabet, American unless `british`."""
    with _lock:  # the lexicon keeps per-call state
        lines = [_line(line, british) for line in text.splitlines() if line.strip()]
    return fit(" ".join(lines))


def _line(text: str, british: bool) -> str:
    spoken = str(_engine(british)(text))
    end = text.rstrip()[-1]
    # The tokenizer takes the stop after a letter (3 P M.) for a part of an abbreviation.
    return spoken + end if end in ".!?" and not spoken.endswith(end) else spoken
