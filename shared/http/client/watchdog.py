"""Ends a blocking read that takes too long, or that nobody waits for any more."""

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
    """Calls ``stop`` once when the time allowed by :meth:`within` is over or the client has left.

    A socket has one time-out for all its reads; this one can be told before each read how long it
    may take, and a read in one thread cannot otherwise be ended from outside.

    Attributes:
        verdict: why ``stop`` was called; None while it was not.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._deadline = float("inf")
        self._over = threading.Event()
        self.verdict: Literal["late", "client_gone"] | None = None
        # The probe for the client is a context variable of the thread that works for it.
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._watch,), name="watchdog", daemon=True
        )

    def within(self, seconds: float) -> None:
        """Allow ``seconds`` from now; negative: none."""
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
            # The read may have ended at this very moment, and its connection with it.
            with contextlib.suppress(OSError, ValueError, RuntimeError):
                self._stop()
            return
