"""French grapheme-to-phoneme: a lexicon for words, and rules for liaison and elision.

French spelling does not show which final letters are pronounced, so words are looked up with
`lexicon.py`. Unknown words use the rules of piper-plus-g2p. Liaison and elided schwas depend on the
neighbouring words; only the obligatory liaisons are made.
"""

from __future__ import annotations

import re

from tts_service.text.g2p import piper
from tts_service.text.g2p.lexicon import pronunciations
from tts_service.text.g2p.tokens import is_word, tokens
from tts_service.text.g2p.vocabulary import fit
from tts_service.text.word_set import word_set

requires = ("gruut_lang_fr", "piper_plus_g2p")
"""Modules that must be installed."""

_LEXICON = "gruut_lang_fr"
_LIAISON = {
    # word: (before a consonant or a pause, before a vowel)
    "les": ("le", "lez"), "des": ("de", "dez"), "mes": ("me", "mez"), "tes": ("te", "tez"),
    "ses": ("se", "sez"), "ces": ("se", "sez"), "nos": ("no", "noz"), "vos": ("vo", "voz"),
    "leurs": ("lœʁ", "lœʁz"), "aux": ("o", "oz"), "un": ("œ̃", "œ̃n"), "une": ("yn", "yn"),
    "mon": ("mɔ̃", "mɔ̃n"), "ton": ("tɔ̃", "tɔ̃n"), "son": ("sɔ̃", "sɔ̃n"), "on": ("ɔ̃", "ɔ̃n"),
    "nous": ("nu", "nuz"), "vous": ("vu", "vuz"), "ils": ("il", "ilz"), "elles": ("ɛl", "ɛlz"),
    "en": ("ɑ̃", "ɑ̃n"), "dans": ("dɑ̃", "dɑ̃z"), "chez": ("ʃe", "ʃez"), "sans": ("sɑ̃", "sɑ̃z"),
    "sous": ("su", "suz"), "très": ("tʁɛ", "tʁɛz"), "plus": ("ply", "plyz"), "est": ("ɛ", "ɛt"),
    "c'est": ("sɛ", "sɛt"), "n'est": ("nɛ", "nɛt"), "s'est": ("sɛ", "sɛt"), "sont": ("sˈɔ̃",
    "sˈɔ̃t"),
    "ont": ("ˈɔ̃", "ˈɔ̃t"), "deux": ("dˈø", "dˈøz"), "trois": ("tʁwˈa", "tʁwˈaz"),
    "vingt": ("vˈɛ̃", "vˈɛ̃t"), "cent": ("sˈɑ̃", "sˈɑ̃t"), "cents": ("sˈɑ̃", "sˈɑ̃z"),
    "vingts": ("vˈɛ̃", "vˈɛ̃z"), "neuf": ("nˈœf", "nˈœv"), "quand": ("kɑ̃", "kɑ̃t"),
    "petit": ("pətˈi", "pətˈit"), "petits": ("pətˈi", "pətˈiz"), "grand": ("ɡʁˈɑ̃", "ɡʁˈɑ̃t"),
    "grands": ("ɡʁˈɑ̃", "ɡʁˈɑ̃z"), "tout": ("tu", "tut"), "pas": ("pˈa", "pˈa"),
    "premier": ("pʁəmjˈe", "pʁəmjˈɛʁ"), "bien": ("bjˈɛ̃", "bjˈɛ̃n"), "quels": ("kɛl", "kɛlz"),
    "plusieurs": ("plyzjˈœʁ", "plyzjˈœʁz"), "quelques": ("kɛlk", "kɛlkz"), "autres": ("ˈotʁ",
    "ˈotʁz"),
    "bons": ("bˈɔ̃", "bˈɔ̃z"), "aucun": ("okˈœ̃", "okˈœ̃n"), "rien": ("ʁjˈɛ̃", "ʁjˈɛ̃n"),
}  # fmt: skip
_NUMBERS = {
    # word: (alone, before a consonant, before a vowel)
    "six": ("sˈis", "sˈi", "sˈiz"),
    "dix": ("dˈis", "dˈi", "dˈiz"),
    "huit": ("yˈit", "yˈi", "yˈit"),
    "cinq": ("sˈɛ̃k", "sˈɛ̃k", "sˈɛ̃k"),
}
_COUNTED = word_set("deux trois cinq six huit neuf dix vingt cent cents vingts")
_NOT_COUNTED = word_set("à ou au aux avant après avec en est alors a")
"""Words before which a number makes no liaison (dix à vingt).

It makes one with the noun that it counts (dix heures).
"""

_NUMERALS = word_set(
    "deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize vingt "
    "vingts trente quarante cinquante soixante cent cents mille"
)
"""A number is one group with one stress, on its last word (mille neuf cent quatre-vingt-CINQ)."""

_LINKED = {
    # Before a hyphen: vingt-deux, dix-neuf; but quatre-vingt-deux has no t.
    ("vingt", ""): "vˈɛ̃t",
    ("soixante", ""): "swasˈɑ̃t",
    ("dix", "sept"): "dˈi",
    ("dix", "septième"): "di",
    ("dix", "neuf"): "dˈiz",
    ("dix", "neuvième"): "diz",
    ("dix", "huit"): "dˈiz",
    ("dix", "huitième"): "diz",
}
_WHOLE = {
    "le": "lə", "la": "la", "l": "l", "de": "də", "du": "dy", "je": "ʒə", "me": "mə", "te": "tə",
    "se": "sə", "ce": "sə", "ne": "nə", "que": "kə", "qui": "ki", "et": "e", "à": "a", "a": "a",
    "au": "o", "ou": "u", "où": "ˈu", "il": "il", "elle": "ɛl", "y": "i", "par": "paʁ",
    "pour": "puʁ",
    "sur": "syʁ", "avec": "avˌɛk", "mais": "mɛ", "si": "si", "ma": "ma", "ta": "ta", "sa": "sa",
    "leur": "lœʁ", "notre": "nɔtʁ", "votre": "vɔtʁ", "cette": "sɛt", "cet": "sɛt",
    "quatre": "kˈatʁ",
    "sept": "sˈɛt", "mille": "mˈil", "es": "ɛ", "tous": "tus", "fils": "fˈis", "os": "ˈɔs",
    "gaz": "ɡˈaz", "monsieur": "məsjˈø", "messieurs": "mesjˈø", "lui": "lyˈi", "puis": "pyˈi",
    "quatorze": "katˈɔʁz", "suis": "syˈi", "nuit": "nyˈi",
}  # fmt: skip
_PREFIXES = {
    "l": "l", "d": "d", "j": "ʒ", "m": "m", "t": "t", "s": "s", "c": "s", "n": "n", "qu": "k",
    "jusqu": "ʒysk", "lorsqu": "lɔʁsk", "puisqu": "pyisk", "quoiqu": "kwak", "presqu": "pʁɛsk",
}  # fmt: skip
_MOST_PARTS = 4
"""Parts between apostrophes that a word of the lexicon may have."""
_VOWEL_LETTERS = "aeiouyàâäéèêëîïôöùûüœæh"
_ASPIRATED = re.compile(
    r"^(?:ha(?:ch|i[en]|ïr|ll|lt|m[aes]|nch|nd|ng|r[aceipdn]|s[ae]|ut|v[re]|z)|h[eé](?:r[oi]s?$"
    r"|ros$|ris|rn"
    r"|ur[lt])|hi(?:bou|é|sse)|ho(?:bby|ch|ckey|ll|m[ae]r|ngr|nt|p$|qu|rs|t[- d]|u[lpsx])"
    r"|hu(?:it|rl|tt|p)"
    r"|oui$|onz|ouat|yaourt|yach|yog|ulul|week|western)"
)
_SILENT_T = re.compile(
    r"(?:ait|aient|ont|ant|ent|oit|oient|ient|ût|ît|ât|eut|aut|ard|and|end|ond|ord|ourt)$"
)


def phonemize(text: str) -> str:
    """Convert text to Kokoro's alphabet."""
    pieces = list(tokens(text.lower()))
    out: list[str] = []
    for index, piece in enumerate(pieces):
        if not is_word(piece):
            out.append("" if piece == "-" else piece)
            continue
        joint = pieces[index + 1] if index + 2 < len(pieces) else ""
        following = pieces[index + 2] if joint in (" ", "-") and joint else ""
        following = following if following and is_word(following) else ""
        linked = _LINKED.get((piece, following)) or _LINKED.get((piece, ""))
        if joint == "-" and linked and pieces[index - 2 : index] != ["quatre", "-"]:
            sound = linked
        else:
            sound = word_phonemes(piece, following)
        inside = piece in _NUMERALS and following in _NUMERALS
        out.append(sound.replace("ˈ", "") if inside else sound)
    return fit("".join(out))


def word_phonemes(word: str, following: str = "") -> str:
    """Convert one lower-case word as it is pronounced before `following` ("" at a pause)."""
    parts = word.split("'")
    sounds: list[str] = []
    for index, part in enumerate(parts[:-1]):
        left = len(parts) - index
        rest = "'".join(parts[index:]) if left <= _MOST_PARTS else ""
        if rest and (found := _known(rest, following)) is not None:
            return "".join([*sounds, found])
        sounds.append(_PREFIXES.get(part) or _word(part))
    last = parts[-1]
    return "".join([*sounds, _word(last, following) if last or not sounds else ""])


def _word(word: str, following: str = "") -> str:
    found = _known(word, following)
    return _unknown(word) if found is None else found


def _known(word: str, following: str) -> str | None:
    """Return the sound of a word in the tables or the lexicon."""
    vowel = _starts_with_vowel(following)
    if word in _COUNTED and following in _NOT_COUNTED:
        vowel = False
    if found := _LIAISON.get(word):
        return found[vowel]
    if forms := _NUMBERS.get(word):
        alone = not following or following in _NOT_COUNTED
        return forms[0] if alone else forms[2 if vowel else 1]
    if whole := _WHOLE.get(word):
        return whole
    if known := pronunciations(_LEXICON).get(word):
        return _last_consonant(word, known)
    return None


def _starts_with_vowel(word: str) -> bool:
    return bool(word) and word[0] in _VOWEL_LETTERS and not _ASPIRATED.search(word)


def _last_consonant(word: str, sound: str) -> str:
    """Remove the final liaison consonant that the lexicon adds."""
    if sound.endswith("z") and word[-1] in "sxz" and not word.endswith(("zz", "gaz", "az")):
        return sound[:-1]
    if sound.endswith("t") and _SILENT_T.search(word):
        return sound[:-1]
    if word.endswith("er") and sound.endswith("eʁ"):
        return sound[:-1]
    return sound


def _unknown(word: str) -> str:
    """Convert a word that is not in the lexicon, with the stress on its last full vowel."""
    sound = piper.phonemize(word, "fr")
    if word.endswith(("e", "es")) and sound.endswith("ə") and len(sound) > 3:
        sound = sound[:-1]
    vowels = list(re.finditer("[aeiouyøœɔɛɑ]", sound))
    if not vowels:
        return sound
    at = vowels[-1].start()
    return f"{sound[:at]}ˈ{sound[at:]}"
