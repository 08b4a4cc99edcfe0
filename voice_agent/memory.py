"""The memory of a conversation: a pure state machine of turns.

Each turn has a generation number. Whatever belongs to an older generation than the current one is
stale and changes nothing, so that a cancelled turn's late results cannot slip into the memory. Of
a turn that was interrupted the model remembers what the person heard, not what it would have said.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from voice_agent.llm.base import Message
from voice_agent.llm.fitting import BYTES_PER_TOKEN, size
from voice_agent.llm.prompts import system_prompt

_ROUNDING_S = 0.001
"""A player says in whole milliseconds how much it played."""


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
    """Turns, remembered within limits.

    Args:
        memory_turns: past turns that are kept.
        budget_tokens: for system prompt and turns together, estimated; the oldest turns go first.
    """

    def __init__(self, memory_turns: int, budget_tokens: int) -> None:
        self._past: deque[_Turn] = deque(maxlen=memory_turns)
        self._budget_bytes = budget_tokens * BYTES_PER_TOKEN
        self._generation = 0
        self._current: _Turn | None = None
        self._language = "en"

    @property
    def generation(self) -> int:
        """Number of the current turn."""
        return self._generation

    def begin(self, asked: str, language: str) -> int:
        """A person said something: start a turn, ending the one before where it is not over."""
        self._settle()
        self._generation += 1
        self._current = _Turn(self._generation, asked)
        self._language = language
        return self._generation

    def is_current(self, generation: int) -> bool:
        """Whether results of that turn still count."""
        return self._current is not None and generation == self._generation

    def heard(self, generation: int, text: str, seconds: float = 0.0) -> None:
        """A clause of the reply reached the person.

        Args:
            generation: of the turn.
            text: the clause.
            seconds: of its speech; 0 where it was shown and not spoken.
        """
        if self.is_current(generation) and self._current is not None:
            self._current.heard.append(_Clause(text, seconds))

    def played(self, seconds: float) -> None:
        """Playing the latest reply was broken off after ``seconds``; the rest was not heard.

        Speech is sent faster than it is played, so only the one who plays it knows. A clause that
        was broken off is kept in proportion, up to its last whole word; one that lacks less than
        a millisecond was heard whole, since those who report the time round it.
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
        """The turn is over, completed or interrupted; what was heard goes into the memory."""
        if self.is_current(generation):
            self._settle()

    def messages(self) -> list[Message]:
        """What the model is asked: instructions, the turns that fit, the question."""
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
    """About ``share`` of the text, whole words where the script has spaces between them."""
    length = int(len(text) * share)
    part = text[:length]
    if " " in text and length < len(text) and not text[length].isspace():
        part = part.rpartition(" ")[0]
    return part.strip()
