"""A language model without a model, for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from shared.core.errors import MeshError
from shared.engines.registry import EngineSpec
from voice_agent.llm.base import LlmEngine, Message, ReplyOptions


def build(settings: Any) -> FakeLlm:
    """The engine; ``settings`` are not needed."""
    return FakeLlm()


class FakeLlm(LlmEngine):
    """Answers with fixed pieces, or with what it was told.

    Args:
        name: in its spec.
        pieces: of every reply; None echoes the last user message word by word.
        fault: raised after ``fault_after`` pieces.
        why: what :meth:`unavailable` says.
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
        """Nothing to load."""

    def warm_up(self) -> None:
        """Nothing to warm."""

    def close(self) -> None:
        """Nothing to free."""

    def unavailable(self) -> str:
        """What the test said."""
        return self.why

    def reply(self, messages: Sequence[Message], options: ReplyOptions) -> Iterator[str]:
        """See the class."""
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
