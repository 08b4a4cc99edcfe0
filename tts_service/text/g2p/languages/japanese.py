"""Japanese grapheme-to-phoneme: Open JTalk's readings (pyopenjtalk-plus, MIT) in Kokoro's symbols.

The symbols are misaki's for Japanese: `ɯ` and, after s, z, ts and palatals, `ɨ`; `ʲ` before i.
"""

from __future__ import annotations

import re
from threading import Lock

from tts_service.text.g2p.tokens import PUNCTUATION, plain_punctuation
from tts_service.text.g2p.vocabulary import fit

requires = ("pyopenjtalk",)
"""Modules that must be installed."""

_CONSONANTS = {
    "ch": "ʨ", "j": "ʥ", "sh": "ɕ", "ts": "ʦ", "f": "ɸ", "r": "ɾ", "w": "β", "g": "ɡ", "y": "j",
    "cl": "ʔ", "z": "ʣ", "v": "v", "hy": "ç", "ny": "ɲ", "ry": "ɾʲ", "ky": "kʲ", "gy": "ɡʲ",
    "my": "mʲ",
    "by": "bʲ", "py": "pʲ", "dy": "dʲ", "ty": "tʲ", "kw": "kᵝ", "gw": "ɡᵝ",
}  # fmt: skip
_BEFORE_I = {"h": "ç", "n": "ɲ", "k": "kʲ", "g": "ɡʲ", "b": "bʲ", "p": "pʲ", "m": "mʲ", "r": "ɾʲ"}
_CENTRAL = frozenset(
    {"s", "z", "ts", "ky", "gy", "ny", "hy", "by", "py", "my", "ry", "ch", "sh", "j"}
)
_NASAL = {"m": "m", "b": "m", "p": "m", "k": "ŋ", "g": "ŋ", "t": "n", "d": "n", "n": "n", "z": "n",
          "r": "n", "c": "n", "j": "n"}  # fmt: skip
_MARKS = re.compile(rf"([{re.escape(PUNCTUATION)}])")
_lock = Lock()


def phonemize(text: str) -> str:
    """Convert text to Kokoro's alphabet, clause by clause so that punctuation is kept."""
    out: list[str] = []
    for piece in _MARKS.split(plain_punctuation(text).replace("・", " ").replace("「", "“")):
        if len(piece) == 1 and piece in PUNCTUATION:
            out.append(f"{piece} ")
        elif piece.strip(" \n“」』『"):
            out.append(_clause(piece))
    return fit("".join(out))


def _clause(text: str) -> str:
    import pyopenjtalk  # noqa: PLC0415 - a model library, loaded when first needed

    with _lock:  # one parser, whose buffers are shared
        read = pyopenjtalk.g2p(text)
    return symbols(read.split())


def symbols(phones: list[str]) -> str:
    """Convert Open JTalk's phones of one clause to Kokoro's symbols."""
    out: list[str] = []
    previous = ""
    for index, phone in enumerate(phones):
        following = phones[index + 1].lower() if index + 1 < len(phones) else ""
        vowel = phone.lower() if phone in "aiueoAIUEO" else ""
        if phone == "pau":
            out.append(", ")
        elif phone == "N":
            out.append(_NASAL.get(following[:1], "ɴ"))
        elif vowel and vowel == previous and phone == vowel:
            out.append("ː")
        elif vowel == "u":
            out.append("ɨ" if previous in _CENTRAL else "ɯ")
        elif vowel:
            out.append(vowel)
        elif phone == "z" and following == "u":
            out.append("z")
        elif following == "i" and phone in _BEFORE_I:
            out.append(_BEFORE_I[phone])
        else:
            out.append(_CONSONANTS.get(phone, phone))
        previous = vowel or phone
    return "".join(out)
