"""Where a Portuguese word is stressed, and which of its vowels make syllables.

The spelling says it nearly always (Acordo Ortográfico da Língua Portuguesa, 1990, bases VIII-XIV):
the accent, else the second to last syllable of words in a, e, o, em, ens, else the last one.
"""

from __future__ import annotations

import re

VOWELS = "aeiouáàâãéêíóôõúü"
_ACUTE = "áâéêíóôú"
_TILDE = "ãõ"
_WEAK_ENDING = re.compile(r"(?:[aeo]|as|es|os|am|em|ens)$")


def syllabic(word: str) -> list[int]:
    """Positions of the vowels that carry a syllable; glides are left out.

    A bare i or u glides after a vowel (pai, meu) unless nh or a closing consonant other than s
    follows it (rainha, juiz, ruim), and before a vowel where that is not the end of the word
    (quase, viagem, água).
    """
    found: list[int] = []
    for position, letter in enumerate(word):
        if letter in VOWELS and not _is_glide(word, position, bool(found)):
            found.append(position)
    return found


def _is_glide(word: str, position: int, after_nucleus: bool) -> bool:
    letter = word[position]
    previous = word[position - 1 : position]
    rest = word[position + 1 :]
    if letter == "u" and previous and previous in "qg" and rest[:1] and rest[0] in VOWELS:
        return True
    if previous in ("ã", "õ") and letter in "oe":
        return True
    if letter not in "iu":
        return False
    if rest == "u" and letter == "i":
        return False  # saiu, viu: the last u is the glide
    if previous and previous in VOWELS and after_nucleus and not _glide_before(word, position):
        return not re.match(r"nh|[zrlnm](?:$|[^aeiouáàâãéêíóôõúüh])|[zrl]$|m$", rest)
    return False


def _glide_before(word: str, position: int) -> bool:
    """Whether the vowel before is itself the mute u of qu, gu."""
    return word[position - 1] == "u" and position > 1 and word[position - 2] in "qg"


def stressed(word: str) -> int | None:
    """Position of the stressed vowel of a lower-case word; None where it has no vowel."""
    for marks in (_ACUTE, _TILDE):
        marked = [position for position, letter in enumerate(word) if letter in marks]
        if marked:
            return marked[-1] if marks == _TILDE else marked[0]
    nuclei = syllabic(word)
    if not nuclei:
        return next((i for i, letter in enumerate(word) if letter in VOWELS), None)
    if len(nuclei) > 1 and _WEAK_ENDING.search(word) and nuclei[-1] >= len(word) - 3:
        return nuclei[-2]
    return nuclei[-1]
