"""Where a sentence ends: decided from what stands before and from the next word only.

That bound makes the decision the same in a whole text and in one that is still being written: with
too little text to decide, :class:`MoreTextNeeded` is raised, and nothing has been guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from shared.text.rules import LanguageRules

_SPACED: Final = ".!?…؟۔"
"""End a sentence if white space follows."""
_UNSPACED: Final = "。！？｡．।॥"
"""End a sentence in any case: CJK and Indic scripts."""
_CLOSERS: Final = "\"'”’»›)]}」』）】》〉*_`«“"
_OPENERS: Final = "\"'“‘„«‹»([{「『（【《〈¿¡*_`"
_AFTER_STOP: Final = _CLOSERS + _SPACED + _UNSPACED
_CANDIDATE: Final = re.compile(f"[{re.escape(_SPACED + _UNSPACED)}]+|\n")
_WORD: Final = re.compile(r"[^\W\d_]+")
_NOT_IN_ABBREVIATION: Final = frozenset("\"'“”‘’«»()[]{}¿¡/-–—*_,;:")
_LONGEST_WORD = 40
_LONGEST_RUN = 40
_LONGEST_ORDINAL = 3


class MoreTextNeeded(Exception):
    """The decision depends on text that has not been written yet."""


@dataclass(frozen=True, slots=True)
class Lookahead:
    """A text, and whether more of it may follow."""

    text: str
    final: bool

    def char(self, position: int) -> str:
        """The character there; empty after the end of a final text.

        Raises:
            MoreTextNeeded: after the end of a text that goes on.
        """
        if position < len(self.text):
            return self.text[position]
        if not self.final:
            raise MoreTextNeeded
        return ""

    def skip_space(self, position: int) -> int:
        """The first position from here on that is no white space."""
        while self.char(position).isspace():
            position += 1
        return position


@dataclass(frozen=True, slots=True)
class SentenceFinder:
    """Finds ends of sentences by the rules of one language."""

    rules: LanguageRules

    def end(self, look: Lookahead, start: int, limit: int) -> int | None:
        """End of the sentence that begins at ``start``; None where it is beyond ``limit``.

        The end is exclusive and includes closing quotes and brackets.

        Raises:
            MoreTextNeeded: the text ends before an end within ``limit`` can be decided.
        """
        position = start
        while match := _CANDIDATE.search(look.text, position, min(len(look.text), limit)):
            ends, end, position = self._decide(look, start, match)
            # A piece needs something to say: leading dots go with what follows.
            if ends and end <= limit and any(char.isalnum() for char in look.text[start:end]):
                return end
        return None

    def _decide(self, look: Lookahead, start: int, match: re.Match[str]) -> tuple[bool, int, int]:
        """Whether a sentence ends at a candidate, its end, and where to look next."""
        stop = match.start()
        if match.group() == "\n":
            following = look.skip_space(stop)
            return self._line_ends(look, start, stop, following), stop, following
        end = match.end()
        furthest = end + _LONGEST_RUN
        while end < furthest and look.char(end) and look.char(end) in _AFTER_STOP:
            end += 1
        run, after = look.text[stop:end], look.char(end)
        if any(char in _UNSPACED for char in run):
            # 「…。」と goes on: hiragana after a closing bracket is a particle.
            quoted_phrase = run[-1] in _CLOSERS and "\u3040" <= after <= "\u309f"
            return not quoted_phrase, end, end
        if after and not after.isspace() and after not in "¿¡":
            return False, end, end
        end = _with_spaced_guillemet(look, end)
        following = look.skip_space(end)
        ends = _is_paragraph(look, end, following) or self._run_ends(
            look, start, look.text[stop:end], following
        )
        return ends, end, following

    @staticmethod
    def _line_ends(look: Lookahead, start: int, stop: int, following: int) -> bool:
        """A line's end is a boundary unless the sentence plainly goes on in the next line."""
        if _is_paragraph(look, stop, following):
            return True
        before = look.text[start:stop].rstrip()[-1:]
        return not (look.char(following).islower() or before == ",")

    def _run_ends(self, look: Lookahead, start: int, run: str, following: int) -> bool:
        """Whether stops and closers (``run``) end a sentence when ``following`` comes next."""
        after = look.char(following)
        if not after or after in "¿¡":
            return True
        if any(char in "!?؟" for char in run):
            quoted = any(char in _CLOSERS for char in run)
            return not (quoted and after.islower())
        if after.islower():
            return False
        if run[0] != "." or run.count(".") > 1:
            return True
        stop = look.text.rindex(".", start, following)
        return self._full_stop_ends(look, start, stop, following)

    def _full_stop_ends(self, look: Lookahead, start: int, stop: int, following: int) -> bool:
        """Whether one full stop that no lower-case letter follows ends a sentence."""
        rules = self.rules
        word, word_start = _word_before(look.text, start, stop)
        if word.isdigit() and len(word) <= _LONGEST_ORDINAL:
            if word_start == start:
                # "1. First point": a list number stays with its point.
                return False
            return not rules.ordinal_dot or self._sentence_starts(look, following)
        if word in rules.titles:
            return False
        if word in rules.before_numbers and look.char(following).isdigit():
            return False
        if word in rules.ambiguous or _is_initial(word, look.text[start:word_start][-1:]):
            return self._sentence_starts(look, following)
        return True

    def _sentence_starts(self, look: Lookahead, position: int) -> bool:
        """After an abbreviation: does the next word look like a sentence's first?"""
        while look.char(position) and look.char(position) in _OPENERS:
            position += 1
        match = _WORD.match(look.text, position, position + _LONGEST_WORD)
        end = match.end() if match else position
        look.char(end)  # a word at the very end may not be complete
        return match is not None and match.group().lower() in self.rules.starters


def _with_spaced_guillemet(look: Lookahead, end: int) -> int:
    """End including the ``»`` of a French quotation, which a space sets apart: ``« Oui. »``."""
    following = look.skip_space(end)
    if look.char(following) == "»" and not look.char(following + 1).isalnum():
        return following + 1
    return end


def _is_paragraph(look: Lookahead, start: int, end: int) -> bool:
    """Whether the white space there has an empty line in it."""
    return look.text.count("\n", start, end) > 1


def _word_before(text: str, start: int, stop: int) -> tuple[str, int]:
    """The word that ends at a full stop, lower case with its inner stops, and where it begins."""
    first = stop
    lowest = max(start, stop - _LONGEST_WORD)
    while first > lowest and not (
        text[first - 1].isspace() or text[first - 1] in _NOT_IN_ABBREVIATION
    ):
        first -= 1
    return text[first:stop].lower(), first


def _is_initial(word: str, before: str) -> bool:
    """One letter, or letters each with its stop: "J", "z", "u.s.a"; not the "s" of "that's"."""
    return before not in {"'", "’"} and all(
        len(part) == 1 and part.isalpha() for part in word.split(".")
    )
