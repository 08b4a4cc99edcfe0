"""Split text into the pieces that are synthesised one after the other."""

from __future__ import annotations

import re

from shared.core.errors import InvalidRequest
from shared.text.splitter import clauses, split_sentences
from tts_service.engines.base import Piece
from tts_service.sound.joins import pause_after
from tts_service.text.normalize import normalize

_PARAGRAPH = re.compile(r"\n\s*\n")
_SPACE = re.compile(r"\s+")


def pieces_of(text: str, language: str, *, first_clause_chars: int | None) -> tuple[Piece, ...]:
    """Normalise ``text`` and split it into sentences, with the pause after each.

    Args:
        text: the text of the request; an empty line ends a paragraph.
        language: a tag of an engine's spec.
        first_clause_chars: the first sentence is cut at a clause of about this length, so that
            audio starts early; None cuts at sentences only.

    Raises:
        InvalidRequest: the text has nothing that can be spoken.
    """
    pieces: list[Piece] = []
    for paragraph in _PARAGRAPH.split(text):
        spoken = _SPACE.sub(" ", normalize(paragraph, language)).strip()
        if not is_speakable(spoken):
            continue
        if first_clause_chars is not None and not pieces:
            parts = clauses(spoken, language, first_max_chars=first_clause_chars)
        else:
            parts = split_sentences(spoken, language)
        kept = [part for part in parts if is_speakable(part)]
        pieces.extend(
            Piece(part, pause_after(part, ends_paragraph=index == len(kept) - 1))
            for index, part in enumerate(kept)
        )
    if not pieces:
        raise InvalidRequest(
            "the text has nothing that can be spoken", param="text", code="unspeakable_text"
        )
    return tuple(pieces)


def is_speakable(text: str) -> bool:
    """Check whether the text has a letter or a digit; marks and emoji alone have no sound."""
    return any(character.isalnum() for character in text)
