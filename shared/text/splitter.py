"""Split text for speech synthesis into sentences and first clauses, whole or incrementally.

A single left-to-right scan decides each boundary from the text before it and the next word only.
Splitting a language model's tokens therefore gives exactly the sentences of the whole text,
independent of the token boundaries, and delays at most one word. Only white space between pieces is
dropped. ``docs/decisions/0002-sentence-splitting.md`` explains why no library is used.
"""

from __future__ import annotations

import re
from typing import Final

from shared.text.boundaries import Lookahead, MoreTextNeeded, SentenceFinder
from shared.text.rules import rules_for

DEFAULT_MAX_CHARS: Final = 400
DEFAULT_FIRST_MAX_CHARS: Final = 60
# A shorter first piece ("Well,") saves no time and is spoken with a sentence's falling tone.
_FIRST_MIN_CHARS = 16
_CLAUSE_END: Final = re.compile(r"[,;:،؛](?=\s)|[、，；：]|(?<=\s)[-–—](?=\s)|—")
_SPACED_WORD: Final = re.compile(r"\s+([^\W\d_]+)(?=\s)")


def split_sentences(text: str, language: str, *, max_chars: int = DEFAULT_MAX_CHARS) -> list[str]:
    """Split a whole text into sentences, without the white space around them.

    Args:
        text: any text; paragraphs and list items end sentences too.
        language: a tag such as ``en`` or ``pt-br``; unknown ones get generic rules.
        max_chars: a longer sentence is cut after a clause, or else between words, or else anywhere.
    """
    return _pieces(text, _Scanner(language, max_chars, None))


def clauses(
    text: str,
    language: str,
    *,
    first_max_chars: int = DEFAULT_FIRST_MAX_CHARS,
    max_chars: int = DEFAULT_MAX_CHARS,
) -> list[str]:
    """Split a text like :func:`split_sentences`, but cut a long first sentence early.

    The first piece ends at the last clause within ``first_max_chars``, or else before the last
    conjunction there. A sentence with neither is not cut, because a cut within a phrase is audible.
    """
    return _pieces(text, _Scanner(language, max_chars, first_max_chars))


class IncrementalSplitter:
    """A sentence splitter for text that arrives in pieces, such as a language model's tokens.

    Together, :meth:`feed` and :meth:`flush` give the same list as the whole-text function.

    Args:
        language: as for :func:`split_sentences`.
        first_max_chars: if set, split like :func:`clauses`, otherwise like :func:`split_sentences`.
        max_chars: maximum length of a piece.
    """

    def __init__(
        self,
        language: str,
        *,
        first_max_chars: int | None = None,
        max_chars: int = DEFAULT_MAX_CHARS,
    ) -> None:
        self._scanner = _Scanner(language, max_chars, first_max_chars)
        self._buffer = ""
        self._space: list[str] = []

    def feed(self, delta: str) -> list[str]:
        """Add text and return the sentences that are now complete."""
        if self._scanner.needs_word and (not delta or delta.isspace()):
            self._space.append(delta)  # decides nothing, so that a long row is not read repeatedly
            return []
        self._buffer = "".join((self._buffer, *self._space, delta))
        self._space.clear()
        return self._take(final=False)

    def flush(self) -> list[str]:
        """Return the remaining sentences at the end of the text; a new text may follow."""
        self._buffer = "".join((self._buffer, *self._space))
        self._space.clear()
        pieces = self._take(final=True)
        self._scanner.restart()
        return pieces

    def _take(self, *, final: bool) -> list[str]:
        pieces, used = self._scanner.pieces(self._buffer, final=final)
        self._buffer = self._buffer[used:]
        return pieces


def _pieces(text: str, scanner: _Scanner) -> list[str]:
    return scanner.pieces(text, final=True)[0]


class _Scanner:
    """A scanner for piece boundaries.

    Attributes:
        needs_word: the latest text ended where only a further word decides.
    """

    def __init__(self, language: str, max_chars: int, first_max_chars: int | None) -> None:
        if max_chars < 1 or (first_max_chars is not None and first_max_chars < 1):
            raise ValueError("a piece must have room for a character")
        self._max_chars = max_chars
        self._first_max_chars = first_max_chars
        self._rules = rules_for(language)
        self._sentences = SentenceFinder(self._rules)
        self._first = True
        self.needs_word = False

    def restart(self) -> None:
        """Start a new text: the next piece is its first."""
        self._first = True
        self.needs_word = False

    def pieces(self, text: str, *, final: bool) -> tuple[list[str], int]:
        """Return complete pieces, and the number of characters that they and their space took."""
        look = Lookahead(text, final)
        found: list[str] = []
        start = 0
        self.needs_word = False
        try:
            while look.char(start := look.skip_space(start)):
                end = self._piece_end(look, start)
                found.append(text[start:end].rstrip())
                start = end
                self._first = False
        except MoreTextNeeded as needed:  # the rest waits for more text
            self.needs_word = needed.word
        return found, start

    def _piece_end(self, look: Lookahead, start: int) -> int:
        """Return the end of the piece that begins at ``start``.

        Raises:
            MoreTextNeeded: the end depends on further text.
        """
        if self._first and self._first_max_chars is not None:
            limit = start + self._first_max_chars
            end = self._sentences.end(look, start, limit)
            if end is None and look.char(limit):
                end = self._first_cut(look.text, start, limit)
            if end is not None:
                return end
        limit = start + self._max_chars
        end = self._sentences.end(look, start, limit)
        if end is None:
            end = _cut_long(look.text, start, limit) if look.char(limit) else len(look.text)
        return end

    def _first_cut(self, text: str, start: int, limit: int) -> int | None:
        """Return where to cut a long first sentence early, or None."""
        earliest = start + _FIRST_MIN_CHARS
        cut = _last_clause_end(text, earliest, limit)
        if cut is None:
            for match in _SPACED_WORD.finditer(text, earliest, limit):
                if match.group(1).lower() in self._rules.conjunctions:
                    cut = match.start()
        return cut


def _last_clause_end(text: str, earliest: int, limit: int) -> int | None:
    """Return the end of the last clause from ``earliest`` to ``limit``; needs ``text[limit]``."""
    ends = [match.end() for match in _CLAUSE_END.finditer(text, earliest, limit + 1)]
    return max((end for end in ends if end <= limit), default=None)


def _cut_long(text: str, start: int, limit: int) -> int:
    """Return where to cut a sentence that is longer than ``limit``; needs ``text[limit]``."""
    clause = _last_clause_end(text, start + (limit - start) // 3, limit)
    if clause is not None:
        return clause
    for position in range(limit, start, -1):
        if text[position].isspace():
            return position
    return limit
