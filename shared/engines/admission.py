"""A bounded FIFO queue in front of a resource with limited concurrency."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from shared.core.cancellation import client_is_gone
from shared.core.errors import ClientGone, Overloaded
from shared.core.metrics import QUEUE_DEPTH, QUEUE_LEFT, QUEUE_SECONDS

_WATCH_S = 0.1
"""Interval at which a waiting caller checks whether its client is still connected, seconds."""


def wait_in_queue(
    turn: threading.Event, name: str, until: float, withdraw: Callable[[], bool]
) -> bool:
    """Wait for ``turn``, until the deadline passes or the client disconnects.

    Args:
        turn: set when the wait is over.
        name: label of the metrics.
        until: deadline, ``time.monotonic()``.
        withdraw: removes the caller from the queue; returns False if it is too late and ``turn``
            will be set.

    Returns:
        True after ``turn``; False if the deadline has passed and the caller was removed.

    Raises:
        ClientGone: the client has disconnected and the caller was removed from the queue.
    """
    while not turn.wait(_WATCH_S):
        late = time.monotonic() > until
        if not (late or client_is_gone()) or not withdraw():
            continue
        QUEUE_LEFT.labels(engine=name, reason="deadline" if late else "client_gone").inc()
        if late:
            return False
        raise ClientGone("the client has left")
    return True


class Lease:
    """The right to use the resource until :meth:`release`; releasing it twice is harmless."""

    def __init__(self, admission: Admission) -> None:
        self._admission: Admission | None = admission
        self._since = time.monotonic()

    def release(self) -> None:
        """Pass the slot to the next waiting caller."""
        admission, self._admission = self._admission, None
        if admission is not None:
            admission._leave(time.monotonic() - self._since)

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Admission:
    """A FIFO queue that grants at most ``concurrency`` leases at once.

    At most ``queue_limit`` callers wait in it.

    Args:
        name: label of the queue's metrics.
        concurrency: concurrent leases, ≥ 1.
        queue_limit: maximum number of waiting callers; further ones are rejected at once.
        queue_timeout_s: longest wait, seconds.
    """

    def __init__(
        self, name: str, *, concurrency: int, queue_limit: int, queue_timeout_s: float
    ) -> None:
        self._name = name
        self._free = concurrency
        self._concurrency = concurrency
        self._queue_limit = queue_limit
        self._timeout = queue_timeout_s
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._mean_hold_s = 1.0
        self._depth = QUEUE_DEPTH.labels(engine=name)

    def acquire(self) -> Lease:
        """Wait for a free slot and return a lease for it.

        Raises:
            Overloaded: the queue is full, or the wait timed out; ``retry_after`` is estimated from
                the recent mean duration of leases.
            ClientGone: the client disconnected while waiting.
        """
        started = time.monotonic()
        with self._lock:
            if self._free and not self._waiting:
                self._free -= 1
                QUEUE_SECONDS.labels(engine=self._name).observe(0.0)
                return Lease(self)
            if len(self._waiting) >= self._queue_limit:
                raise Overloaded(
                    f"{self._name}: the queue is full",
                    retry_after=self._estimate(len(self._waiting)),
                )
            turn = threading.Event()
            self._waiting.append(turn)
            self._depth.set(len(self._waiting))
        if not wait_in_queue(
            turn, self._name, started + self._timeout, lambda: self._leave_queue(turn)
        ):
            raise Overloaded(
                f"{self._name}: no place within {self._timeout:g} s",
                retry_after=self._estimate(len(self._waiting)),
            )
        QUEUE_SECONDS.labels(engine=self._name).observe(time.monotonic() - started)
        return Lease(self)

    def _leave_queue(self, turn: threading.Event) -> bool:
        """Remove ``turn`` from the queue; return False if its slot has already been granted."""
        with self._lock:
            if turn not in self._waiting:
                return False
            self._waiting.remove(turn)
            self._depth.set(len(self._waiting))
            return True

    def _leave(self, held_s: float) -> None:
        with self._lock:
            # Exponential mean over about the last ten leases: follows the load without jumps.
            self._mean_hold_s += 0.1 * (held_s - self._mean_hold_s)
            if self._waiting:
                self._waiting.popleft().set()
                self._depth.set(len(self._waiting))
            else:
                self._free += 1

    def _estimate(self, ahead: int) -> float:
        return min(30.0, max(1.0, self._mean_hold_s * (ahead + 1) / self._concurrency))
