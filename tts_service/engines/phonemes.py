"""Phoneme strings cut to what Kokoro speaks well."""

from __future__ import annotations

MAX_PHONEMES = 400
"""The model takes 508 tokens, one per character; its card warns that it hurries beyond 400."""

_STRONG = ".!?…;:—"
_WEAK = ",，、"


def split_phonemes(phonemes: str, limit: int = MAX_PHONEMES) -> list[str]:
    """``phonemes`` in parts of at most ``limit`` characters, about equally long.

    Cuts after the sentence mark nearest to the middle half, else after a comma there, else at a
    space, else anywhere. Parts without any sound are left out.
    """
    text = phonemes.strip()
    if not any(character.isalpha() for character in text):
        return []
    if len(text) <= limit:
        return [text]
    cut = _cut(text)
    return split_phonemes(text[:cut], limit) + split_phonemes(text[cut:], limit)


def _cut(text: str) -> int:
    middle = len(text) // 2
    lowest, highest = len(text) // 4, 3 * len(text) // 4
    for marks in (_STRONG, _WEAK, " "):
        places = [i + 1 for i in range(lowest, highest) if text[i] in marks]
        if places:
            return min(places, key=lambda place: abs(place - middle))
    return middle
