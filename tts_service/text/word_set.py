"""Build word sets from running text, which is easier to read than a list of literals."""

from __future__ import annotations


def word_set(text: str) -> frozenset[str]:
    """Return the words of `text`, separated by white space."""
    return frozenset(text.split())
