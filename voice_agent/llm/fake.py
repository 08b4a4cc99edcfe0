"""Fake language model for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from shared.core.errors import MeshError
from shared.engines.registry import EngineSpec
from voice_agent.llm.base import LlmEngine, Message, ReplyOptions


def build(settings: Any) -> FakeLlm:
    """Return the engine; ``settings`` is not used."""
    return FakeLlm()


class FakeLlm(LlmEngine):
    """A fake engine that replies with fixed pieces, or echoes the last message.

    Args:
        name: name in its spec.
        pieces: pieces of every reply; None echoes the last user message word by word.
        fault: error raised after ``fault_after`` pieces.
        why: result of :meth:`unavailable`.
    """

    def __init__(
        self,
        name: str = "fake",
        pieces: Sequence[str] | None = None,
        fault: MeshError | None = None,
        fault_after: int = 0,
        why: str = "",
    ) -> None:
        self.spec = EngineSpec(
            name=name,
            model="fake-llm",
            licence="Apache-2.0",
            commercial_use=True,
            languages=frozenset(),
            max_concurrency=4,
        )
        self.pieces = pieces
        self.fault = fault
        self.fault_after = fault_after
        self.why = why
        self.seen: list[list[Message]] = []
        self.closed_early = 0

    def load(self) -> None:
        """Do nothing."""

    def warm_up(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def unavailable(self) -> str:
        """Return the reason that the test set."""
        return self.why

    def reply(self, messages: Sequence[Message], options: ReplyOptions) -> Iterator[str]:
        """Yield the fixed pieces or the echo, then raise the fault where one is set."""
        self.seen.append(list(messages))
        pieces = self.pieces
        if pieces is None:
            pieces = [f"{word} " for word in f"You said {messages[-1].content}".split()]
        try:
            for number, piece in enumerate(pieces):
                if self.fault is not None and number == self.fault_after:
                    raise self.fault
                yield piece
            if self.fault is not None and len(pieces) <= self.fault_after:
                raise self.fault
        except GeneratorExit:
            self.closed_early += 1
            raise
