"""Sentences and first clauses of text that is to be spoken, whole or while it is being written.

One left-to-right scan decides each boundary from what stands before it and from the next word
only. So the splitter for a language model's tokens gives exactly the sentences of the splitter for
whole texts, however the tokens fall, and holds back no more than one word. Nothing but white space
between pieces is lost. Why no library: ``docs/decisions/0002-sentence-splitting.md``.
"""

from __future__ import annotations

import re
from typing import Final

from shared.text.boundaries import Lookahead, MoreTextNeeded, SentenceFinder
from shared.text.rules import rules_for

DEFAULT_MAX_CHARS: Final = 400
DEFAULT_FIRST_MAX_CHARS: Final = 60
# A shorter opening ("Well,") gains no time and is spoken with a sentence's falling tone.
_FIRST_MIN_CHARS = 16
_CLAUSE_END: Final = re.compile(r"[,;:،؛](?=\s)|[、，；：]|(?<=\s)[-–—](?=\s)|—")
_SPACED_WORD: Final = re.compile(r"\s+([^\W\d_]+)(?=\s)")


def split_sentences(text: str, language: str, *, max_chars: int = DEFAULT_MAX_CHARS) -> list[str]:
    """Sentences of a whole text, without the white space around them.

    Args:
        text: any text; paragraphs and list items end sentences too.
        language: a tag such as ``en`` or ``pt-br``; unknown ones get generic rules.
        max_chars: a longer sentence is cut after a clause, else between words, else anywhere.
    """
    return _pieces(text, _Scanner(language, max_chars, None))


def clauses(
    text: str,
    language: str,
    *,
    first_max_chars: int = DEFAULT_FIRST_MAX_CHARS,
    max_chars: int = DEFAULT_MAX_CHARS,
) -> list[str]:
    """As :func:`split_sentences`, with the first sentence cut early if it is long.

    The first piece ends at the last clause within ``first_max_chars``, else before the last
    conjunction there; a sentence with neither stays whole, for a cut within a phrase is heard.
    """
    return _pieces(text, _Scanner(language, max_chars, first_max_chars))


class IncrementalSplitter:
    """Sentences of a text that arrives in pieces, such as a language model's tokens.

    Everything fed and flushed gives the same list as the whole-text function.

    Args:
        language: as for :func:`split_sentences`.
        first_max_chars: set: the pieces of :func:`clauses`; None: of :func:`split_sentences`.
        max_chars: longest piece.
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

    def feed(self, delta: str) -> list[str]:
        """Take in more text; the sentences that are complete now."""
        self._buffer += delta
        return self._take(final=False)

    def flush(self) -> list[str]:
        """The rest, when the text has ended; afterwards a new text may begin."""
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
    """Finds where pieces end. Its only state is whether the first piece is still to come."""

    def __init__(self, language: str, max_chars: int, first_max_chars: int | None) -> None:
        if max_chars < 1 or (first_max_chars is not None and first_max_chars < 1):
            raise ValueError("a piece must have room for a character")
        self._max_chars = max_chars
        self._first_max_chars = first_max_chars
        self._rules = rules_for(language)
        self._sentences = SentenceFinder(self._rules)
        self._first = True

    def restart(self) -> None:
        """The next piece is the first of a new text."""
        self._first = True

    def pieces(self, text: str, *, final: bool) -> tuple[list[str], int]:
        """Complete pieces, and how many characters of ``text`` they and their space took."""
        look = Lookahead(text, final)
        found: list[str] = []
        start = 0
        try:
            while look.char(start := look.skip_space(start)):
                end = self._piece_end(look, start)
                found.append(text[start:end].rstrip())
                start = end
                self._first = False
        except MoreTextNeeded:
            pass  # the rest waits for more text
        return found, start

    def _piece_end(self, look: Lookahead, start: int) -> int:
        """Where the piece that begins at ``start`` ends.

        Raises:
            MoreTextNeeded: not known yet.
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
        """Where to cut a long first sentence early, or None."""
        earliest = start + _FIRST_MIN_CHARS
        cut = _last_clause_end(text, earliest, limit)
        if cut is None:
            for match in _SPACED_WORD.finditer(text, earliest, limit):
                if match.group(1).lower() in self._rules.conjunctions:
                    cut = match.start()
        return cut


def _last_clause_end(text: str, earliest: int, limit: int) -> int | None:
    """End of the last clause within ``earliest`` and ``limit``; needs ``text[limit]``."""
    ends = [match.end() for match in _CLAUSE_END.finditer(text, earliest, limit + 1)]
    return max((end for end in ends if end <= limit), default=None)


def _cut_long(text: str, start: int, limit: int) -> int:
    """Where to cut a sentence that goes on beyond ``limit``; needs ``text[limit]``."""
    clause = _last_clause_end(text, start + (limit - start) // 3, limit)
    if clause is not None:
        return clause
    for position in range(limit, start, -1):
        if text[position].isspace():
            return position
    return limit
