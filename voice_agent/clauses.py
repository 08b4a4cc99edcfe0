"""Split the language model's streamed text into clauses for speech synthesis."""

from __future__ import annotations

from shared.text.splitter import DEFAULT_FIRST_MAX_CHARS, IncrementalSplitter
from voice_agent.speakable import SpeakableStream, speakable


class ClauseStream:
    """A stream that returns each clause without markup as soon as it is complete.

    The first clause is kept short, so that audio starts early.

    Args:
        language: language tag of the reply.
    """

    def __init__(self, language: str) -> None:
        self._language = language
        self._readable = SpeakableStream(language)
        self._splitter = IncrementalSplitter(language, first_max_chars=DEFAULT_FIRST_MAX_CHARS)

    def feed(self, piece: str) -> list[str]:
        """Add text and return the clauses that are now complete."""
        return self._said(self._splitter.feed(self._readable.feed(piece)))

    def flush(self) -> list[str]:
        """Return the remaining clauses at the end of the reply."""
        return self._said(self._splitter.feed(self._readable.flush()) + self._splitter.flush())

    def _said(self, clauses: list[str]) -> list[str]:
        said = [speakable(clause, self._language) for clause in clauses]
        return [text for text in said if any(character.isalnum() for character in text)]
