"""Micro-batching: run a model once for requests that arrive at the same time.

A caller submits one item and waits for its result. One thread owns the model. It takes the waiting
items, groups those of similar length and runs them together. If more items were recently present at
once than are now, it waits a few milliseconds for the others; a single caller does not wait.
:func:`choose`, a pure function, selects the items of a batch.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shared.core.errors import EngineFailure, MeshError, NotReady, Overloaded
from shared.core.metrics import BATCH_RETRIES, BATCH_SIZE, QUEUE_DEPTH, QUEUE_SECONDS
from shared.engines.admission import wait_in_queue
from shared.engines.model_errors import OutOfMemory, model_failure

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

_SPREAD = 2
"""Maximum ratio of the longest to the shortest item of a batch; limits the padding."""
_CROWD_S = 1.0
"""How long the recent peak of concurrent items is expected again, seconds; about the generation
time of a sentence.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one batch.

    Attributes:
        items: maximum number of items.
        padded: maximum total length when every item is padded to the longest, in the unit of the
            items' lengths.
        patience_s: how long the oldest item waits for expected further items, seconds.
    """

    items: int
    padded: int
    patience_s: float


@dataclass(slots=True, eq=False)
class Ticket(Generic[Item, Result]):
    """A submitted item and, later, its result."""

    item: Item
    length: int
    caller: Hashable
    arrived: float
    done: threading.Event = field(default_factory=threading.Event)
    result: Result | None = None
    error: BaseException | None = None


def choose(lengths: Sequence[int], callers: Sequence[Hashable], limits: Limits) -> list[int]:
    """Return the indices of the waiting items that form the next batch, the most urgent first.

    Scheduling is fair: the first item of each caller precedes any caller's second item. An item is
    added if the padded batch stays within the limits and contains little padding.

    Args:
        lengths: lengths of the waiting items, in order of arrival; at least one.
        callers: the caller of each item.
        limits: the limits of a batch.
    """
    turn: Counter[Hashable] = Counter()
    ranks = []
    for caller in callers:
        ranks.append(turn[caller])
        turn[caller] += 1
    order = sorted(range(len(lengths)), key=lambda index: (ranks[index], index))
    batch = order[:1]
    longest = shortest = lengths[order[0]]
    for index in order[1:]:
        if len(batch) == limits.items:
            break
        most, least = max(longest, lengths[index]), min(shortest, lengths[index])
        if most * (len(batch) + 1) <= limits.padded and most <= _SPREAD * least:
            batch.append(index)
            longest, shortest = most, least
    return batch


class Batcher(Generic[Item, Result]):
    """A scheduler that runs submitted items in batches on one thread.

    A batch that runs out of device memory is run again in halves; a single item that does not fit
    is rejected with 503. If a batch fails in another way, its items run one by one, so that one bad
    item does not fail the others.

    Args:
        name: label of the metrics and name of the thread.
        run: maps items to results, in order. Raises :class:`OutOfMemory` if the device memory is
            full.
        limits: the limits of a batch.
        queue_limit: maximum number of waiting items; further ones are rejected at once.
        queue_timeout_s: maximum time an item may wait before it runs, seconds.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[list[Item]], list[Result]],
        *,
        limits: Limits,
        queue_limit: int,
        queue_timeout_s: float,
    ) -> None:
        self._name = name
        self._run = run
        self._limits = limits
        self._queue_limit = queue_limit
        self._timeout_s = queue_timeout_s
        self._waiting: list[Ticket[Item, Result]] = []
        self._running = 0
        self._crowd = 1
        self._crowd_at = 0.0
        self._changed = threading.Condition()
        self._closed = False
        self._depth = QUEUE_DEPTH.labels(engine=f"{name}/batch")
        self._mean_s = 0.1
        self._thread = threading.Thread(target=self._work, name=f"{name}-batches", daemon=True)
        self._thread.start()

    def submit(self, item: Item, *, length: int, caller: Hashable) -> Result:
        """Submit an item, wait for it and return its result.

        Args:
            item: input for ``run``.
            length: its length before padding, in the unit of ``limits.padded``.
            caller: the key for fair scheduling: one request, or all requests of one client.

        Raises:
            Overloaded: the queue is full, the deadline passed, or the device memory is full.
            ClientGone: the client disconnected; its item was removed from the queue.
            NotReady: the batcher is closed.
            EngineFailure: ``run`` failed on this item.
        """
        ticket: Ticket[Item, Result] = Ticket(item, length, caller, time.monotonic())
        with self._changed:
            if self._closed:
                raise NotReady(f"{self._name} is stopping")
            if len(self._waiting) >= self._queue_limit:
                raise Overloaded(f"{self._name}: the queue is full", retry_after=self._estimate())
            self._waiting.append(ticket)
            self._expect(len(self._waiting) + self._running, ticket.arrived)
            self._depth.set(len(self._waiting))
            self._changed.notify()
        self._await(ticket)
        if ticket.error is not None:
            raise ticket.error
        return ticket.result  # type: ignore[return-value]

    def close(self) -> None:
        """Reject waiting items and finish the running batch. Safe to call twice."""
        with self._changed:
            self._closed = True
            left, self._waiting = self._waiting, []
            self._depth.set(0)
            self._changed.notify()
        for ticket in left:
            ticket.error = NotReady(f"{self._name} is stopping")
            ticket.done.set()
        self._thread.join()

    def _await(self, ticket: Ticket[Item, Result]) -> None:
        until = ticket.arrived + self._timeout_s
        # A running item cannot be cancelled on the device, so its result is awaited.
        if not wait_in_queue(ticket.done, self._name, until, lambda: self._withdraw(ticket)):
            raise Overloaded(
                f"{self._name}: no result within {self._timeout_s:g} s",
                retry_after=self._estimate(),
            )

    def _withdraw(self, ticket: Ticket[Item, Result]) -> bool:
        with self._changed:
            if ticket not in self._waiting:
                return False
            self._waiting.remove(ticket)
            self._depth.set(len(self._waiting))
            return True

    def _estimate(self) -> float:
        batches = 1 + len(self._waiting) / self._limits.items
        return min(30.0, max(1.0, self._mean_s * batches))

    def _work(self) -> None:
        while True:
            batch = self._next()
            if batch is None:
                return
            if not batch:
                continue
            now = time.monotonic()
            for ticket in batch:
                QUEUE_SECONDS.labels(engine=f"{self._name}/batch").observe(now - ticket.arrived)
            BATCH_SIZE.labels(engine=self._name).observe(len(batch))
            self._serve(batch)
            # Exponential mean over about the last ten batches: follows the load without jumps.
            self._mean_s += 0.1 * (time.monotonic() - now - self._mean_s)

    def _next(self) -> list[Ticket[Item, Result]] | None:
        """Take the next batch off the queue; None after :meth:`close`.

        An empty list means that all waiting items were withdrawn.
        """
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            until = self._waiting[0].arrived + self._limits.patience_s
            while len(self._waiting) < min(self._limits.items, self._crowd):
                rest = until - time.monotonic()
                if rest <= 0 or self._closed:
                    break
                self._changed.wait(rest)
                if not self._waiting:
                    return []
            indices = choose(
                [ticket.length for ticket in self._waiting],
                [ticket.caller for ticket in self._waiting],
                self._limits,
            )
            batch = [self._waiting[index] for index in indices]
            taken = set(indices)
            self._waiting = [t for i, t in enumerate(self._waiting) if i not in taken]
            self._depth.set(len(self._waiting))
            self._running = len(batch)
            return batch

    def _expect(self, at_once: int, now: float) -> None:
        """Update the recent peak of concurrent items."""
        if at_once >= self._crowd or now - self._crowd_at > _CROWD_S:
            self._crowd, self._crowd_at = at_once, now

    def _serve(self, batch: list[Ticket[Item, Result]]) -> None:
        """Run a batch and give each ticket its result or its error."""
        alone = len(batch) == 1
        failure: MeshError | None = None
        try:
            results = self._run([ticket.item for ticket in batch])
            if len(results) != len(batch):
                raise EngineFailure(f"{self._name}: {len(results)} results for {len(batch)} items")
        except OutOfMemory:
            reason, size = "out_of_memory", -(-len(batch) // 2)
            failure = Overloaded(f"{self._name}: no memory for this on the device")
        except Exception as error:
            reason, size = "failure", 1
            failure = self._as_mesh_error(error) if alone else None
        else:
            for ticket, result in zip(batch, results, strict=True):
                ticket.result = result
                self._hand_over(ticket)
            return
        # Outside the handlers: a live exception would keep the failed pass's tensors in memory.
        if failure is not None and alone:
            self._fail(batch[0], failure)
        else:
            self._again(batch, reason, size)

    def _again(self, batch: list[Ticket[Item, Result]], reason: str, size: int) -> None:
        BATCH_RETRIES.labels(engine=self._name, reason=reason).inc()
        log.warning(
            "a batch is run again in parts",
            extra={"engine": self._name, "reason": reason, "items": len(batch)},
        )
        for start in range(0, len(batch), size):
            self._serve(batch[start : start + size])

    def _fail(self, ticket: Ticket[Item, Result], error: MeshError) -> None:
        ticket.error = error
        self._hand_over(ticket)

    def _hand_over(self, ticket: Ticket[Item, Result]) -> None:
        # Decrease the count before the caller can submit again and be counted twice.
        with self._changed:
            self._running -= 1
        ticket.done.set()

    def _as_mesh_error(self, error: Exception) -> MeshError:
        return error if isinstance(error, MeshError) else model_failure(self._name, error, "this")
