"""Find the stressed vowel and the syllable nuclei of Portuguese words.

The spelling shows the stress in nearly all words (Acordo Ortográfico da Língua Portuguesa, 1990,
bases VIII-XIV): it is on the accent, else on the second to last syllable of words in a, e, o, em,
ens, else on the last one.
"""

from __future__ import annotations

import re

VOWELS = "aeiouáàâãéêíóôõúü"
_ACUTE = "áâéêíóôú"
_TILDE = "ãõ"
_CLOSED = re.compile(r"nh|[zrlnm](?:$|[^aeiouáàâãéêíóôõúüh])|[zrl]$|m$")
"""What follows an i or u after a vowel that is no glide."""
_WEAK_ENDING = re.compile(r"(?:[aeo]|as|es|os|am|em|ens)$")


def syllabic(word: str) -> list[int]:
    """Return the positions of the vowels that carry a syllable, without glides.

    An unaccented i or u is a glide after a vowel (pai, meu) unless nh or a closing consonant other
    than s follows it (rainha, juiz, ruim), and before a vowel unless that ends the word (quase,
    viagem, água).
    """
    found: list[int] = []
    for position, letter in enumerate(word):
        if letter in VOWELS and not _is_glide(word, position, bool(found)):
            found.append(position)
    return found


def _is_glide(word: str, position: int, after_nucleus: bool) -> bool:
    letter = word[position]
    previous = word[position - 1 : position]
    rest = word[position + 1 : position + 3]
    if letter == "u" and previous and previous in "qg" and rest and rest[0] in VOWELS:
        return True
    if previous in ("ã", "õ") and letter in "oe":
        return True
    if letter not in "iu":
        return False
    if rest == "u" and letter == "i":
        return False  # saiu, viu: the last u is the glide
    if previous and previous in VOWELS and after_nucleus and not _glide_before(word, position):
        return not _CLOSED.match(word, position + 1)
    return False


def _glide_before(word: str, position: int) -> bool:
    """Check whether the preceding vowel is the mute u of qu or gu."""
    return word[position - 1] == "u" and position > 1 and word[position - 2] in "qg"


def stressed(word: str) -> int | None:
    """Return the position of a lower-case word's stressed vowel; None where it has no vowel."""
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
