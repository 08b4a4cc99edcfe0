"""How processor time grows with the length of a text."""

from __future__ import annotations

import time
from collections.abc import Callable

TIMES_LONGER = 8
LINEAR = 3.0
"""Growth per character that still counts as linear; quadratic time grows by `TIMES_LONGER`."""
_TRIES = 6


def growth(function: Callable[[str], object], make: Callable[[int], str], length: int) -> float:
    """Return how much more time per character a text takes that is `TIMES_LONGER` times as long.

    Both measurements treat the same number of characters in all. Processor time of this thread
    and the best of several tries keep other work on the machine out of the result.

    Args:
        function: what is measured; any result and no error.
        make: returns a text of about the given length.
        length: length of the short text.
    """
    short, long = make(length), make(length * TIMES_LONGER)
    function(short)  # fills the caches
    few = many = float("inf")
    for _ in range(_TRIES):
        few = min(few, _time(function, [short] * TIMES_LONGER))
        many = min(many, _time(function, [long]))
        if many <= few * LINEAR:
            break
    return many / few


def repeated(unit: str, *, before: str = "", after: str = "") -> Callable[[int], str]:
    """Return a maker of texts of `unit` over and over, between `before` and `after`."""
    return lambda length: before + unit * max(length // len(unit), 1) + after


def _time(function: Callable[[str], object], texts: list[str]) -> float:
    started = time.thread_time()
    for text in texts:
        function(text)
    return time.thread_time() - started
