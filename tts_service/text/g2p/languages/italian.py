"""Italian grapheme-to-phoneme rules, fitted to Kokoro's training data.

Italian spelling determines the pronunciation except for the stress (`italian_stress.py`), the
openness of a stressed e or o, and the voicing of z. The rules are the spelling rules of any Italian
grammar. Their exceptions were found by listening and by transcribing the audio, not in a source.
The notation (length marks, ɪ and ʊ, `S` for a double s) is espeak-ng's as misaki writes it, because
Kokoro's Italian voices were trained on it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tts_service.text.g2p.languages.italian_stress import nuclei, plain_letters, stressed_vowel
from tts_service.text.g2p.tokens import is_word, tokens
from tts_service.text.g2p.vocabulary import fit
from tts_service.text.word_set import word_set

_FRONT = "ei"
_VOWELS = "aeiou"
_VOICED = "bdgvlmnr"
_LEANING = word_set(
    "il lo la i gli le un uno una di a da in con su per tra fra e o ed ad ma che se non mi "
    "ti si ci vi ne del dello della dei degli delle al allo alla ai agli alle dal dallo "
    "dalla dai dagli dalle nel nello nella nei negli nelle sul sullo sulla sui sugli sulle "
    "l d un dell all dall nell sull dagl degl c s m t v n dov com è ho hai ha hanno sono "
    "sei siamo mia mio sua suo"
)
"""Articles, prepositions and clitics, which have no stress of their own."""

_HARD_GLI = re.compile(r"^gli[cst]|anglic|anglis|negli[gs]|gerogli|gangli")
_VOICED_Z = re.compile(
    r"^z|mezz|azzurr|romanz|azzard|bizzarr|^gazz|lazz|orizzont|ozon|ronz|^razz[oi]$|rozz|azot"
    r"|aziend|bronz|garz|pranz|manz|bonz|benzin|zanz|ribrezz|izz(?:a|o$|i$|e|ò)|brezz|dozzin"
)
_DIGRAPHS = {"ch": "k", "gh": "ɡ", "gn": "ɲ", "ph": "f", "th": "t", "sh": "ʃ", "ck": "k"}
_ELISIONS = {"dov'è": "dovˈɛ", "cos'è": "kozˈɛ", "com'è": "komˈɛ", "c'è": "ʧˈɛ", "cioè": "ʧoˈɛ"}
"""Words with è that are stressed, unlike è alone."""
_SINGLE = {
    "a": "a", "b": "b", "c": "k", "d": "d", "e": "e", "f": "f", "g": "ɡ", "i": "i", "j": "j",
    "k": "k", "l": "l", "m": "m", "n": "n", "o": "o", "p": "p", "q": "k", "r": "r", "s": "s",
    "t": "t", "u": "u", "v": "v", "w": "w", "x": "ks", "y": "i",
}  # fmt: skip
_LONG = {"l": "ll", "m": "mm", "n": "nn", "r": "rɾ", "f": "ff", "v": "vv", "s": "S"}


def phonemize(text: str) -> str:
    """Convert text to Kokoro's alphabet."""
    out: list[str] = []
    for piece in tokens(text.lower()):
        if is_word(piece):
            out.append(_elided(piece))
        else:
            out.append(" " if piece == "-" else piece)
    return fit("".join(out))


def _elided(word: str) -> str:
    """Convert a word that may contain apostrophes; c'era keeps its soft c."""
    if word in _ELISIONS:
        return _ELISIONS[word]
    parts = [part for part in word.split("'") if part]
    soft = len(parts) > 1 and parts[0] == "c" and parts[1][0] in "eièé"
    return "".join(["ʧ" if soft else word_phonemes(parts[0]), *map(word_phonemes, parts[1:])])


def word_phonemes(word: str) -> str:
    """Convert one lower-case word without apostrophes to phonemes."""
    letters = plain_letters(word)
    stress = None if word in _LEANING else stressed_vowel(word)
    syllabic = set(nuclei(letters, stress))
    last = len(letters) - 1
    out: list[str] = []
    position = 0
    while position < len(letters):
        letter = letters[position]
        if letter in _VOWELS:
            out.append(_vowel(letters, position, stress, position in syllabic, last))
            position += 1
            continue
        sound, used = _consonant(letters, position)
        double = position > 0 and letters[position - 1] == letter and bool(out)
        if double:
            out[-1] = ""
            sound = _LONG.get(sound, f"{sound}ː")
        out.append(sound)
        position += used
    return "".join(out)


def _vowel(letters: str, position: int, stress: int | None, syllabic: bool, last: int) -> str:
    letter = letters[position]
    if position == stress:
        if position == last and letter == "e":
            return "ˈe"  # as in perché; words in -è (caffè) are fewer and sound similar
        open_vowel = {"e": "ɛ", "o": "ɔ"} if _is_open(letters, position) else {}
        return "ˈ" + open_vowel.get(letter, letter)
    following = letters[position + 1 : position + 2]
    if not syllabic and letter in "iu" and following and following in _VOWELS:
        return {"i": "j", "u": "w"}[letter]
    if letter == "i" and position == last and position > 0:
        return "ɪ"
    if letter == "u" and position != last and stress is not None:
        return "ʊ"
    return letter


def _is_open(letters: str, position: int) -> bool:
    """Check whether a stressed e or o is open.

    It usually is before two consonants, in -ie-/-uo- and in -ica.
    """
    before = letters[position - 1 : position]
    rest = letters[position + 1 :]
    if letters[position] == "o":
        return before == "u" or not re.match(r"(?:n[^aeiou]|s[oaie]$|r[eai]$|ne$|ni$)", rest)
    return before == "i" or bool(re.match(r"(?:[nlrs][^aeiou]|[^aeiou]i[aeiou]$|i)", rest))


def _consonant(letters: str, position: int) -> tuple[str, int]:
    """Return the sound at `position` and the number of letters that it spans."""
    letter = letters[position]
    pair = letters[position : position + 2]
    following = letters[position + 1 : position + 2]
    third = letters[position + 2 : position + 3]
    previous = letters[position - 1 : position]
    if letter == "h":
        return "", 1
    if pair == "sc" and third and third in _FRONT:
        return "ʃ", 3 if _mute_i(letters, position + 2) else 2
    if letters[position : position + 3] == "gli" and not _has_hard_gli(letters):
        return "ʎ", 3 if letters[position + 3 : position + 4] in tuple(_VOWELS) else 2
    if pair in _DIGRAPHS:
        return _DIGRAPHS[pair], 2
    if pair == "qu" or (pair == "gu" and third and third in _VOWELS):
        return ("k" if letter == "q" else "ɡ") + "w", 2
    if letter in "cg" and following and following in _FRONT:
        return "ʧ" if letter == "c" else "ʤ", 2 if _mute_i(letters, position + 1) else 1
    if pair == "cq":
        return "k", 1
    if letter == "z":
        return "ʣ" if _has_voiced_z(letters) else "ʦ", 1
    if letter == "s" and following:
        between = previous and previous in _VOWELS and following in _VOWELS
        return "z" if between or following in _VOICED else "s", 1
    return _SINGLE.get(letter, letter), 1


@lru_cache(maxsize=64)  # asked at each gli of a word
def _has_hard_gli(letters: str) -> bool:
    return bool(_HARD_GLI.search(letters))


@lru_cache(maxsize=64)  # asked at each z of a word
def _has_voiced_z(letters: str) -> bool:
    return bool(_VOICED_Z.search(letters))


def _mute_i(letters: str, position: int) -> bool:
    """Check whether an i only softens the preceding consonant (ciao, giorno, lascia)."""
    following = letters[position + 1 : position + 2]
    return letters[position] == "i" and bool(following) and following in _VOWELS
