"""Base class of the language model engines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from shared.engines.registry import EngineSpec

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Role
    content: str

    def as_dict(self) -> dict[str, str]:
        """Return the message in the format of chat APIs."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """Length limit and sampling temperature of one reply."""

    max_tokens: int = 160
    temperature: float = 0.4


class LlmEngine(ABC):
    """A language model, local or remote.

    Attributes:
        spec: declared capabilities.
        device: where the model runs: ``cpu``, or ``remote`` for a model behind a URL.
    """

    spec: EngineSpec
    device: str = "cpu"

    @abstractmethod
    def load(self) -> None:
        """Import the library and load the model, if it is local.

        Raises:
            NotReady: the library, the weights or the configuration are missing.
        """

    @abstractmethod
    def warm_up(self) -> None:
        """Generate a first token with a local model; do nothing for a remote one."""

    @abstractmethod
    def close(self) -> None:
        """Free the model."""

    @abstractmethod
    def unavailable(self) -> str:
        """Return the reason why the model cannot reply now, in a few words, or the empty string.

        The call must be fast.
        """

    @abstractmethod
    def reply(self, messages: Sequence[Message], options: ReplyOptions) -> Iterator[str]:
        """Yield pieces of the reply as they are generated; closing the iterator stops generation.

        Raises:
            UpstreamUnavailable, UpstreamTimeout: a remote model did not respond, or broke off
                before the end of its reply (while iterating).
            UnknownModel: the server does not have the model.
            EngineFailure: generation failed (while iterating).
        """
