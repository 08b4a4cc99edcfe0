"""Find sentence ends from the text before a candidate and the next word only.

This limited lookahead gives the same result for a whole text and for a text that is still being
written. If the text is too short to decide, :class:`MoreTextNeeded` is raised.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from shared.text.rules import LanguageRules

_SPACED: Final = ".!?…؟۔"
"""Characters that end a sentence if white space follows."""
_UNSPACED: Final = "。！？｡．।॥"
"""Characters that end a sentence in any case: CJK and Indic scripts."""
_CLOSERS: Final = "\"'”’»›)]}」』）】》〉*_`«“"
_OPENERS: Final = "\"'“‘„«‹»([{「『（【《〈¿¡*_`"
_AFTER_STOP: Final = _CLOSERS + _SPACED + _UNSPACED
_CANDIDATE: Final = re.compile(f"[{re.escape(_SPACED + _UNSPACED)}]+|\n")
_NOT_SPACE: Final = re.compile(r"\S")
_WORD: Final = re.compile(r"[^\W\d_]+")
_NOT_IN_ABBREVIATION: Final = frozenset("\"'“”‘’«»()[]{}¿¡/-–—*_,;:")
_LONGEST_WORD = 40
_LONGEST_RUN = 40
_LONGEST_ORDINAL = 3


class MoreTextNeeded(Exception):
    """The decision depends on text that has not arrived yet.

    Attributes:
        word: the next word is needed, so further white space decides nothing.
    """

    def __init__(self, *, word: bool = False) -> None:
        super().__init__()
        self.word = word


@dataclass(frozen=True, slots=True)
class Lookahead:
    """A text, and whether it is complete (``final``)."""

    text: str
    final: bool

    def char(self, position: int) -> str:
        """Return the character at a position; empty after the end of a final text.

        Raises:
            MoreTextNeeded: the position is after the end of an incomplete text.
        """
        if position < len(self.text):
            return self.text[position]
        if not self.final:
            raise MoreTextNeeded
        return ""

    def skip_space(self, position: int) -> int:
        """Return the first position from ``position`` on that is not white space."""
        found = _NOT_SPACE.search(self.text, position)
        if found is None and not self.final:
            raise MoreTextNeeded(word=True)
        return found.start() if found else max(position, len(self.text))


@dataclass(frozen=True, slots=True)
class SentenceFinder:
    """A finder of sentence ends by the rules of one language."""

    rules: LanguageRules

    def end(self, look: Lookahead, start: int, limit: int) -> int | None:
        """Return the end of the sentence that begins at ``start``; None if it is beyond ``limit``.

        The end is exclusive and includes closing quotes and brackets.

        Raises:
            MoreTextNeeded: the text ends before a sentence end within ``limit`` can be decided.
        """
        position = unread = start
        has_word = False
        while match := _CANDIDATE.search(look.text, position, min(len(look.text), limit)):
            ends, end, position = self._decide(look, start, match)
            if not ends or end > limit:
                continue
            # A sentence needs a letter or digit; leading dots belong to the sentence that follows.
            has_word = has_word or any(char.isalnum() for char in look.text[unread:end])
            if has_word:
                return end
            unread = end
        return None

    def _decide(self, look: Lookahead, start: int, match: re.Match[str]) -> tuple[bool, int, int]:
        """Return whether a sentence ends at a candidate, its end, and where to search next."""
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
            # The sentence 「…。」と continues: hiragana after a closing bracket is a particle.
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
        """Return whether a line break ends the sentence.

        It does, unless the next line begins with a lower-case letter or this one ends with a comma.
        """
        if _is_paragraph(look, stop, following):
            return True
        before = look.text[start:stop].rstrip()[-1:]
        return not (look.char(following).islower() or before == ",")

    def _run_ends(self, look: Lookahead, start: int, run: str, following: int) -> bool:
        """Return whether stops and closers (``run``) before ``following`` end a sentence."""
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
        """Return whether a single full stop ends a sentence; no lower-case letter follows it."""
        rules = self.rules
        word, word_start = _word_before(look.text, start, stop)
        if word.isdigit() and len(word) <= _LONGEST_ORDINAL:
            if word_start == start:
                # "1. First point": a list number belongs to its point.
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
        """Return whether the word after an abbreviation often starts a sentence."""
        furthest = position + _LONGEST_RUN
        while position < furthest and look.char(position) and look.char(position) in _OPENERS:
            position += 1
        match = _WORD.match(look.text, position, position + _LONGEST_WORD)
        end = match.end() if match else position
        look.char(end)  # a word at the very end may not be complete
        return match is not None and match.group().lower() in self.rules.starters


def _with_spaced_guillemet(look: Lookahead, end: int) -> int:
    """Return ``end`` moved behind the ``»`` of a French quotation with a space: ``« Oui. »``."""
    following = look.skip_space(end)
    if look.char(following) == "»" and not look.char(following + 1).isalnum():
        return following + 1
    return end


def _is_paragraph(look: Lookahead, start: int, end: int) -> bool:
    """Return whether the white space contains an empty line."""
    return look.text.count("\n", start, end) > 1


def _word_before(text: str, start: int, stop: int) -> tuple[str, int]:
    """Return the word before a full stop, lower case with its inner stops, and its start."""
    first = stop
    lowest = max(start, stop - _LONGEST_WORD)
    while first > lowest and not (
        text[first - 1].isspace() or text[first - 1] in _NOT_IN_ABBREVIATION
    ):
        first -= 1
    return text[first:stop].lower(), first


def _is_initial(word: str, before: str) -> bool:
    """Return whether a word is an initial: "J", "z", "u.s.a"; not the "s" of "that's"."""
    return before not in {"'", "’"} and all(
        len(part) == 1 and part.isalpha() for part in word.split(".")
    )
