"""Kokoro-82M's phoneme alphabet and the conversion of IPA to it.

The symbols are `vocab` in Kokoro-82M's `config.json` (Apache-2.0), the same as `vocab.json` beside
the model. Diphthongs and affricates are written as in misaki's `EspeakG2P`, with which the model's
training texts were transcribed: one symbol for what espeak-ng treats as one sound.
"""

from __future__ import annotations

import re
import unicodedata

from shared.text.marks import without_stacks

SYMBOLS = frozenset(
    ';:,.!?—…"()“” \u0303ʣʥʦʨᵝꭧAIOQSTWYᵊabcdefhijklmnopqrstuvwxyzɑɐɒæβɔɕçɖðʤəɚɛɜɟɡɥɨɪʝɯɰŋɳɲɴø'
    "ɸθœɹɾɻʁɽʂʃʈʧʊʋʌɣɤχʎʒʔˈˌːʰʲ↓→↗↘ᵻ"
)
"""Every character that the model has an embedding for (114)."""

_SEQUENCES = {
    "a͡ɪ": "I",
    "a͡ʊ": "W",
    "d͡z": "ʣ",
    "d͡ʒ": "ʤ",
    "e͡ɪ": "A",
    "o͡ʊ": "O",
    "ə͡ʊ": "Q",
    "s͡s": "S",
    "t͡s": "ʦ",
    "t͡ʃ": "ʧ",
    "ɔ͡ɪ": "Y",
    "tʃ": "ʧ",
    "dʒ": "ʤ",
}

_NEAREST = {
    "g": "ɡ",  # ASCII g: the alphabet has only U+0261
    "«": "“",
    "»": "”",
    "„": "“",
    "–": "—",
    "―": "—",
    "[": "(",
    "]": ")",
    "{": "(",
    "}": ")",
    "ɫ": "l",
    "ɭ": "l",
    "ʟ": "l",
    "ʀ": "ʁ",
    "ɝ": "ɜɹ",
    "ʏ": "y",
    "ɵ": "o",
    "ɘ": "ə",
    "ɱ": "m",
    "ɦ": "h",
    "ħ": "h",
    "ʍ": "w",
}

_BEFORE_MARK = re.compile(r" ([,.;:!?…)”])")  # French typography has a space there


def fit(ipa: str) -> str:
    """Convert IPA (any Unicode form) to Kokoro's alphabet; missing symbols are replaced or dropped.

    Args:
        ipa: IPA with punctuation; diphthongs and affricates may be tied (U+0361).

    Returns:
        A string of :data:`SYMBOLS` only, decomposed (a nasal vowel is a vowel and U+0303), without
            double spaces or spaces before a mark.
    """
    known = "".join(symbol for symbol in _nearest(ipa) if symbol in SYMBOLS)
    return _BEFORE_MARK.sub(r"\1", " ".join(known.split()))


def _nearest(ipa: str) -> str:
    # Decomposed, since the alphabet has the combining tilde; c cedilla is a separate letter.
    spaced = without_stacks(" ".join(ipa.split()))
    pieces = unicodedata.normalize("NFC", spaced).split("ç")
    text = "ç".join(unicodedata.normalize("NFD", piece) for piece in pieces)
    for sequence, symbol in _SEQUENCES.items():
        text = text.replace(sequence, symbol)
    return "".join(_NEAREST.get(character, character) for character in text)
