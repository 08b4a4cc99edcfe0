"""A circuit breaker as a state machine with an injectable clock.

The breaker is closed until ``threshold`` consecutive calls have failed. It is then open and rejects
calls for ``cooldown_s`` seconds. After that it is half open and allows one trial call, whose
outcome closes it or opens it again (M. Nygard, "Release It!", 2007).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class CircuitBreaker:
    """A thread-safe circuit breaker for one address."""

    def __init__(
        self,
        threshold: int = 3,
        cooldown_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threshold = threshold
        self._cooldown_s = cooldown_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until: float | None = None
        self._asked_until: float | None = None
        self._trial_since: float | None = None

    @property
    def is_tripped(self) -> bool:
        """Whether the breaker has opened and no call has closed it since."""
        with self._lock:
            return self._open_until is not None

    @property
    def retry_after_s(self) -> float:
        """Seconds until the next call is allowed; 0 if one is allowed now."""
        with self._lock:
            now = self._clock()
            until = max(
                self._open_until or now,
                now if self._trial_since is None else self._trial_since + self._cooldown_s,
            )
            return max(0.0, until - now)

    def allow(self) -> bool:
        """Return whether a call may be made now; the half-open state allows only one."""
        with self._lock:
            if self._open_until is None:
                return True
            now = self._clock()
            if now < self._open_until:
                return False
            # A trial that never reports its outcome must not keep the circuit open for ever.
            if self._trial_since is not None and now - self._trial_since < self._cooldown_s:
                return False
            self._trial_since = now
            return True

    def succeeded(self) -> None:
        """Record a successful call.

        This closes the breaker, unless the server has meanwhile requested a pause that is not over.
        """
        with self._lock:
            self._failures = 0
            if self._asked_until is not None and self._clock() < self._asked_until:
                return
            self._asked_until = None
            self._open_until = None
            self._trial_since = None

    def trip(self) -> None:
        """Open at once, as after ``threshold`` failures: the address does not answer at all."""
        with self._lock:
            self._failures = self._threshold
            self._trial_since = None
            self._open_until = self._clock() + self._cooldown_s

    def failed(self, retry_after_s: float | None = None) -> None:
        """Record a failed call.

        Args:
            retry_after_s: pause that the server requested, seconds; the breaker opens for it at
                once.
        """
        with self._lock:
            self._failures += 1
            self._trial_since = None
            now = self._clock()
            if retry_after_s is not None:
                self._asked_until = max(self._asked_until or now, now + retry_after_s)
            if self._failures >= self._threshold or self._open_until is not None:
                self._open_until = now + self._cooldown_s
            if self._asked_until is not None and self._asked_until > now:
                self._open_until = max(self._open_until or now, self._asked_until)
