"""Abort a blocking read on a timeout or when the client has disconnected."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Literal

from shared.core.cancellation import client_is_gone

_EVERY_S = 0.1


class Watchdog:
    """A background thread that calls ``stop`` once on a timeout or if the client has disconnected.

    A socket has one timeout for all reads, while :meth:`within` sets a new one before each read. A
    read in one thread cannot otherwise be aborted from another.

    Attributes:
        verdict: why ``stop`` was called; None if it was not.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._deadline = float("inf")
        self._over = threading.Event()
        self.verdict: Literal["late", "client_gone"] | None = None
        # The disconnect probe is a context variable of the thread that handles the request.
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._watch,), name="watchdog", daemon=True
        )

    def within(self, seconds: float) -> None:
        """Set the deadline to ``seconds`` from now; a negative value expires at once."""
        self._deadline = time.monotonic() + seconds

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_EVERY_S):
            if time.monotonic() > self._deadline:
                self.verdict = "late"
            elif client_is_gone():
                self.verdict = "client_gone"
            else:
                continue
            # The read may have ended at this moment, and its connection may be closed.
            with contextlib.suppress(OSError, ValueError, RuntimeError):
                self._stop()
            return
