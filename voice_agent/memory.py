"""A conversation's memory: a state machine of turns without I/O.

Each turn has a generation number. Results of an older generation are stale and ignored, so that
late results of a cancelled turn do not enter the memory. Of an interrupted turn only the part that
was played is remembered.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from voice_agent.llm.base import Message
from voice_agent.llm.fitting import BYTES_PER_TOKEN, size
from voice_agent.llm.prompts import system_prompt

_ROUNDING_S = 0.001
"""Rounding error of the playback time, which clients report in whole milliseconds."""


@dataclass(frozen=True, slots=True)
class _Clause:
    text: str
    seconds: float


@dataclass(slots=True)
class _Turn:
    generation: int
    asked: str
    heard: list[_Clause] = field(default_factory=list)

    def answer(self) -> str:
        return " ".join(clause.text for clause in self.heard)


class Conversation:
    """A conversation's memory: past turns cut to a limit, and the current turn.

    Args:
        memory_turns: number of past turns that are kept.
        budget_tokens: estimated tokens for the system prompt and the turns; the oldest turns are
            dropped first.
    """

    def __init__(self, memory_turns: int, budget_tokens: int) -> None:
        self._past: deque[_Turn] = deque(maxlen=memory_turns)
        self._budget_bytes = budget_tokens * BYTES_PER_TOKEN
        self._generation = 0
        self._current: _Turn | None = None
        self._language = "en"

    @property
    def generation(self) -> int:
        """Generation number of the current turn."""
        return self._generation

    def begin(self, asked: str, language: str) -> int:
        """Start a turn with the user's question and end the previous one; return its generation."""
        self._settle()
        self._generation += 1
        self._current = _Turn(self._generation, asked)
        self._language = language
        return self._generation

    def is_current(self, generation: int) -> bool:
        """Check whether results of a generation are still valid."""
        return self._current is not None and generation == self._generation

    def heard(self, generation: int, text: str, seconds: float = 0.0) -> None:
        """Add a clause of the reply that was sent to the user.

        Args:
            generation: generation of the turn.
            text: the clause.
            seconds: length of its audio; 0 where it was shown and not spoken.
        """
        if self.is_current(generation) and self._current is not None:
            self._current.heard.append(_Clause(text, seconds))

    def played(self, seconds: float) -> None:
        """Cut the latest reply to the ``seconds`` of it that were played.

        Audio is sent faster than it is played, so only the client knows how much was played. A
        partly played clause is kept in proportion, up to its last whole word. One that lacks less
        than a millisecond counts as fully played, since clients round the time.
        """
        turn = self._current or (self._past[-1] if self._past else None)
        if turn is None or turn.generation != self._generation:
            return
        kept: list[_Clause] = []
        for clause in turn.heard:
            if clause.seconds - seconds > min(_ROUNDING_S, clause.seconds / 2):
                if part := _beginning(clause.text, seconds / clause.seconds):
                    kept.append(_Clause(part, seconds))
                break
            kept.append(clause)
            seconds = max(0.0, seconds - clause.seconds)
        turn.heard = kept
        if not kept and self._current is None:
            self._past.pop()

    def end(self, generation: int) -> None:
        """End a turn, completed or interrupted, and keep it where part of the reply was sent."""
        if self.is_current(generation):
            self._settle()

    def messages(self) -> list[Message]:
        """Return the model's messages: system prompt, the past turns that fit, the question."""
        system = Message("system", system_prompt(self._language))
        asked = [Message("user", self._current.asked)] if self._current is not None else []
        room = self._budget_bytes - size([system, *asked])
        kept: list[Message] = []
        for turn in reversed(self._past):
            pair = [Message("user", turn.asked), Message("assistant", turn.answer())]
            room -= size(pair)
            if room < 0:
                break
            kept = pair + kept
        return [system, *kept, *asked]

    def _settle(self) -> None:
        turn, self._current = self._current, None
        if turn is not None and turn.heard:
            # An unanswered question is left out: two user messages in a row confuse chat models.
            self._past.append(turn)


def _beginning(text: str, share: float) -> str:
    """Return about ``share`` of the text, cut between words where the script separates them."""
    length = int(len(text) * share)
    part = text[:length]
    if " " in text and length < len(text) and not text[length].isspace():
        part = part.rpartition(" ")[0]
    return part.strip()
