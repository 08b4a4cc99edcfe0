"""Clean characters: NFC, without control characters, emoji and markup."""

from __future__ import annotations

import re
import unicodedata

from shared.text.marks import without_stacks

_KEPT_SYMBOLS = frozenset("°№℃℉")
_JOINERS = "\u200c\u200d"
_FULLWIDTH = {"℃": "°C", "℉": "°F", "№": "n.º ", "´": "'", "`": "", "\u2212": "-", "⁄": "/"}
_SUPERSCRIPTS = str.maketrans("⁰¹⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", "01456789" + "0123456789")
_MARKUP = re.compile(
    r"(?m)^[ \t]*(?:#{1,6}[ \t]+|[*+-][ \t]+(?=\S)|>[ \t]+)|\*{1,3}(?=\S)(?<![\d ]\*)"
    r"|(?<=\S)\*{1,3}(?![\d ]*\d)|~~"
)


def clean(text: str) -> str:
    """Convert `text` to NFC without control characters, emoji and Markdown; digits become ASCII.

    Line breaks are kept, other white space becomes single spaces.
    """
    out: list[str] = []
    for character in unicodedata.normalize("NFC", without_stacks(text)):
        if character.isascii():
            out.append(character if character.isprintable() or character in "\n\t" else " ")
            continue
        out.append(_plain(character))
    plain = _MARKUP.sub("", "".join(out))
    lines = (" ".join(line.split()) for line in plain.replace("\r", "\n").split("\n"))
    # Dropped characters may have separated marks.
    return unicodedata.normalize("NFC", without_stacks("\n".join(lines).strip()))


def _plain(character: str) -> str:
    if character in _FULLWIDTH:
        return _FULLWIDTH[character]
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.digit(character))
    if category == "Zs":
        return "\u00a0" if character in "\u00a0\u202f\u2009" else " "
    if category in ("Zl", "Zp"):
        return "\n"
    if category == "So":
        return character if character in _KEPT_SYMBOLS else " "
    if category == "Cf":
        return character if character in _JOINERS else ""
    if category in ("Cc", "Cs", "Co", "Cn", "Sk") or character in "\ufe0e\ufe0f\u20e3":
        return " " if category == "Cc" else ""
    return character.translate(_SUPERSCRIPTS)
