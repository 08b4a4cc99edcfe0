"""Find marks that come in pairs, in linear time.

A regular expression such as ``\\*.+?\\*`` reads to the end of the text again for each opening mark
that has no closing one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

FORMULA_OPENS = re.compile(r"\$\$|\\\(|\\\[")
_FORMULA_CLOSES = {"$$": "$$", "\\(": "\\)", "\\[": "\\]"}
_EMPHASIS = re.compile(r"(?<!\\)(?=\*\S|__\S|~~\S)")
_EMPHASIS_MARKS = {"*": ("***", "**", "*"), "_": ("___", "__"), "~": ("~~",)}
_EMPHASIS_CLOSES = {
    mark: re.compile(rf"(?<=[^\s\\]){re.escape(mark)}")
    for marks in _EMPHASIS_MARKS.values()
    for mark in marks
}


def formulas(text: str) -> Iterator[tuple[int, int]]:
    r"""Yield the start and the end of each LaTeX formula: ``$$…$$``, ``\(…\)``, ``\[…\]``."""
    unclosed: set[str] = set()
    position = 0
    while opening := FORMULA_OPENS.search(text, position):
        mark, position = opening.group(), opening.end()
        closing = -1 if mark in unclosed else text.find(_FORMULA_CLOSES[mark], position + 1)
        if closing < 0:
            unclosed.add(mark)
            position = opening.start() + 1
            continue
        position = closing + len(mark)
        yield opening.start(), position


def without_emphasis(text: str) -> str:
    """Return ``text`` without the outermost pairs of ``*``, ``**``, ``***``, ``__``, ``~~``.

    The two marks of a pair are on one line. A mark after a backslash is literal.
    """
    lines = [_plain(line) if "*" in line or "__" in line or "~~" in line else line
             for line in text.split("\n")]  # fmt: skip
    return "\n".join(lines)


def _plain(line: str) -> str:
    out: list[str] = []
    unclosed: set[str] = set()
    copied = position = 0
    while opening := _EMPHASIS.search(line, position):
        start = opening.start()
        position = start + 1
        for mark in _EMPHASIS_MARKS[line[start]]:
            inside = start + len(mark)
            opens = line.startswith(mark, start) and not line[inside : inside + 1].isspace()
            if not opens or mark in unclosed:
                continue
            closing = _EMPHASIS_CLOSES[mark].search(line, inside + 1)
            if closing is None:
                unclosed.add(mark)
                continue
            out += line[copied:start], line[inside : closing.start()]
            copied = position = closing.end()
            break
    return "".join([*out, line[copied:]])
