"""Streams whose errors surface before the answer starts, and which always end by being closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


def close_quietly(iterator: object) -> None:
    """Close a generator or any object with ``close()``; plain iterators have nothing to close."""
    close = getattr(iterator, "close", None)
    if close is not None:
        close()


def prime(iterator: Iterator[T]) -> Iterator[T]:
    """Pull the first item now, so that a failure raises here and not inside a started response.

    Returns an iterator over all items, the first included. Closing it closes the source, also
    when it is closed before its first item was taken. An empty source stays empty.
    """
    try:
        first = next(iterator)
    except StopIteration:
        close_quietly(iterator)
        return iter(())
    except BaseException:
        close_quietly(iterator)
        raise
    return _Primed(first, iterator)


class _Primed(Iterator[T]):
    """A generator would not run its ``finally`` when closed unstarted; this closes the source."""

    def __init__(self, first: T, rest: Iterator[T]) -> None:
        self._pending: list[T] = [first]
        self._rest = rest

    def __next__(self) -> T:
        if self._pending:
            return self._pending.pop()
        return next(self._rest)

    def close(self) -> None:
        self._pending.clear()
        close_quietly(self._rest)


class closing_after(Iterator[T]):  # noqa: N801 - reads as a verb where it is used
    """Iterate ``source``; run ``cleanup`` exactly once: at its end, its error or an early close.

    Unlike a generator's ``finally`` this also runs when the iterator is closed before the first
    item, which is what a WSGI server does when the client has already gone.
    """

    def __init__(self, source: Iterator[T], cleanup: Callable[[], None]) -> None:
        self._source = source
        self._cleanup: Callable[[], None] | None = cleanup

    def __next__(self) -> T:
        try:
            return next(self._source)
        except BaseException:
            self._finish()
            raise

    def close(self) -> None:
        """Close the source, then clean up."""
        try:
            close_quietly(self._source)
        finally:
            self._finish()

    def _finish(self) -> None:
        cleanup, self._cleanup = self._cleanup, None
        if cleanup is not None:
            cleanup()
