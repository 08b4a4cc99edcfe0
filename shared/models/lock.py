"""One process at a time prepares a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from shared.core.errors import NotReady
from shared.models.catalogue import Progress

LOCK_TIMEOUT_S = 3600


@contextmanager
def one_at_a_time(lock: FileLock, name: str, size: int, progress: Progress) -> Iterator[None]:
    """Hold ``lock`` in the block; that of a process that dies is free at once (flock).

    Args:
        lock: of the model.
        name: of the model.
        size: bytes, for ``progress``; 0 where they are not known yet.
        progress: told when another process is at work.

    Raises:
        NotReady: another process has not finished within :data:`LOCK_TIMEOUT_S`.
    """
    try:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            progress(name, "waiting: another process prepares it", 0, size)
            lock.acquire(timeout=LOCK_TIMEOUT_S)
    except Timeout:
        raise NotReady(f"model '{name}': another process is still preparing it") from None
    try:
        yield
    finally:
        lock.release()
