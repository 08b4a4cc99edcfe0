"""Streams whose errors surface before the answer starts, and which always end by being closed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


def close_quietly(iterator: object) -> None:
    """Close a generator or any object with ``close()``; plain iterators have nothing to close."""
    close = getattr(iterator, "close", None)
    if close is not None:
        close()


def prime(source: Iterator[T], cleanup: Callable[[], None] | None = None) -> ClosingIterator[T]:
    """Pull the first item of ``source`` now, so that a failure raises here.

    Args:
        source: a generator or another iterator; an empty one stays empty.
        cleanup: run once at the end; see :class:`ClosingIterator`.

    Returns:
        An iterator over all items, the first included.
    """
    items = ClosingIterator(source, cleanup)
    items.pull_first()
    return items


class ClosingIterator(Iterator[T]):
    """An iterator over ``source`` that cleans up exactly once, however it ends.

    At the end of ``source``, after its error, or on an early :meth:`close`, the source is closed
    and ``cleanup`` runs. A generator's ``finally`` does not run when the generator is closed before
    its first item, which is what a WSGI server does when the client has already gone; this does.
    """

    def __init__(self, source: Iterator[T], cleanup: Callable[[], None] | None = None) -> None:
        self._source = source
        self._cleanup = cleanup
        self._first: list[T] = []

    def pull_first(self) -> None:
        """Pull the first item now; it is still the first one that the iterator gives.

        Raises:
            Exception: what ``source`` raises; everything is cleaned up by then.
        """
        with contextlib.suppress(StopIteration):
            self._first.append(next(self))

    def __next__(self) -> T:
        if self._first:
            return self._first.pop()
        try:
            return self._pull()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the source, then clean up; safe to call twice."""
        self._first.clear()
        try:
            close_quietly(self._source)
        finally:
            self._finish()

    def _pull(self) -> T:
        """Return the next item of the source; subclasses may measure it."""
        return next(self._source)

    def _finish(self) -> None:
        cleanup, self._cleanup = self._cleanup, None
        if cleanup is not None:
            cleanup()
