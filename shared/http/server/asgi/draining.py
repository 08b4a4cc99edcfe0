"""Whether this process is about to stop, and still serves while others learn of it."""

from __future__ import annotations

import threading

_draining = threading.Event()


def begin() -> None:
    """Say that the process is about to stop: from now on it is not ready."""
    _draining.set()


def is_draining() -> bool:
    """Return whether the process is about to stop."""
    return _draining.is_set()
