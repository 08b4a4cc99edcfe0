"""What every language model is to the agent: messages in, pieces of text out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from shared.engines.registry import EngineSpec

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of a conversation."""

    role: Role
    content: str

    def as_dict(self) -> dict[str, str]:
        """The shape all chat APIs take."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """Limits and sampling of one reply."""

    max_tokens: int = 160
    temperature: float = 0.4


class LlmEngine(ABC):
    """A language model, local or behind a URL.

    Attributes:
        spec: declared capabilities.
        device: where the model runs: ``cpu``, or ``remote`` for one behind a URL.
    """

    spec: EngineSpec
    device: str = "cpu"

    @abstractmethod
    def load(self) -> None:
        """Import the library and load what there is to load.

        Raises:
            NotReady: the library, the weights or the configuration are missing.
        """

    @abstractmethod
    def warm_up(self) -> None:
        """Make a first token where the model is ours; nothing where it is somebody else's."""

    @abstractmethod
    def close(self) -> None:
        """Free the model."""

    @abstractmethod
    def unavailable(self) -> str:
        """Why the model cannot answer now, in a word or two; empty when it can. Quick."""

    @abstractmethod
    def reply(self, messages: Sequence[Message], options: ReplyOptions) -> Iterator[str]:
        """Pieces of the reply as they are made; closing the iterator stops generation.

        Raises:
            UpstreamUnavailable, UpstreamTimeout: a model behind a URL did not answer, or broke off
                before the end of its reply (while iterating).
            UnknownModel: it has no such model.
            EngineFailure: generation failed (while iterating).
        """
