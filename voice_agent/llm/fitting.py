"""Shorten conversations to a model's context by dropping the oldest turns."""

from __future__ import annotations

from collections.abc import Sequence

from shared.core.errors import TooLarge
from voice_agent.llm.base import Message

BYTES_PER_TOKEN = 2
"""Conservative estimate for prompts without a token count.

It counts bytes, since tokens per character differ tenfold between languages. Measured with
SmolLM2's tokenizer, bytes of UTF-8 per token: en 4.5, es and it 2.5, pt and de 2.6, fr 2.3, ru 2.4,
hi 2.2, pl 1.9, ar 1.8, ja 1.7, zh 1.6, ko 1.2. Where the estimate is too low, the model's own count
is used: :func:`shortened`.
"""


def size(messages: Sequence[Message]) -> int:
    """Return the size of the messages' texts in bytes."""
    return sum(len(message.content.encode()) for message in messages)


def shortened(messages: Sequence[Message], counted_tokens: int, limit_tokens: int) -> list[Message]:
    """Drop the oldest turns, so that about ``limit_tokens`` remain.

    Args:
        messages: the system message if there is one, then the turns, the question last.
        counted_tokens: tokens of all messages, as counted by the model.
        limit_tokens: target size; at least one turn is dropped in any case.

    Raises:
        TooLarge: there is no turn left to drop; the system message and the question are too long.
    """
    head = [message for message in messages[:1] if message.role == "system"]
    turns, question = list(messages[len(head) : -1]), list(messages[-1:])
    if not turns:
        raise TooLarge(
            "what was said is too long for the language model's context", code="context_exceeded"
        )
    allowed = size(messages) * limit_tokens / max(counted_tokens, 1)
    while turns:
        del turns[0]
        while turns and turns[0].role != "user":
            del turns[0]
        if size([*head, *turns, *question]) <= allowed:
            break
    return [*head, *turns, *question]
