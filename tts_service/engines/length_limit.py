"""Split texts and phoneme strings to the length that a model synthesises well."""

from __future__ import annotations

MAX_PHONEMES = 400
"""Limit of phonemes per inference.

The model accepts 508 tokens, one per character, but by its card it speaks too fast beyond 400.
"""

_STRONG = ".!?…;:—"
_WEAK = ",，、"


def split_to_length(text: str, limit: int = MAX_PHONEMES) -> list[str]:
    """Split ``text`` into parts of similar length with at most ``limit`` characters.

    It cuts at the sentence mark nearest to the middle, within the middle half, else at a comma
    there, else at a space, else in the middle. Parts without letters are dropped.
    """
    text = text.strip()
    if not any(character.isalpha() for character in text):
        return []
    if len(text) <= limit:
        return [text]
    cut = _cut(text)
    return split_to_length(text[:cut], limit) + split_to_length(text[cut:], limit)


def _cut(text: str) -> int:
    middle = len(text) // 2
    lowest, highest = len(text) // 4, 3 * len(text) // 4
    for marks in (_STRONG, _WEAK, " "):
        places = [i + 1 for i in range(lowest, highest) if text[i] in marks]
        if places:
            return min(places, key=lambda place: abs(place - middle))
    return middle
