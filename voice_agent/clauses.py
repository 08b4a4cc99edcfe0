"""A model's pieces → clauses for the ear, the first one short."""

from __future__ import annotations

from shared.text.splitter import DEFAULT_FIRST_MAX_CHARS, IncrementalSplitter
from voice_agent.speakable import SpeakableStream, speakable


class ClauseStream:
    """Feed pieces; each clause comes out, without markup, as soon as it is complete.

    Args:
        language: of the reply, a tag.
    """

    def __init__(self, language: str) -> None:
        self._language = language
        self._readable = SpeakableStream(language)
        self._splitter = IncrementalSplitter(language, first_max_chars=DEFAULT_FIRST_MAX_CHARS)

    def feed(self, piece: str) -> list[str]:
        """The clauses that are complete now."""
        return self._said(self._splitter.feed(self._readable.feed(piece)))

    def flush(self) -> list[str]:
        """The rest, at the end of the reply."""
        return self._said(self._splitter.feed(self._readable.flush()) + self._splitter.flush())

    def _said(self, clauses: list[str]) -> list[str]:
        said = [speakable(clause, self._language) for clause in clauses]
        return [text for text in said if any(character.isalnum() for character in text)]
