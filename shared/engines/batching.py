"""Micro-batches: calls that arrive together go through a model together.

A caller submits one item and waits for its result. One thread owns the model: it takes what is
waiting, groups what is alike in length, and runs it. Where more items have been there at once a
moment ago than now, it gives the others a few milliseconds to come; whoever is alone is never kept
waiting. Which items go together is decided by :func:`choose`, a pure function.
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
from shared.engines.model_faults import OutOfMemory, model_failure

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

_SPREAD = 2
"""The longest item of a batch is at most so many times the shortest: the rest would be padding."""
_CROWD_S = 1.0
"""How long as many items are expected as there were at once: about a sentence's generation."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one batch may be.

    Attributes:
        items: at most so many.
        padded: at most so much in all when every item is padded to the longest, in the unit of
            the items' lengths.
        patience_s: how long the oldest item waits for those that are expected, seconds.
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
    """Which of the waiting items make the next batch; indices, the first in line before all.

    Fair between callers: the first item of each caller goes before anybody's second. An item joins
    when the padded batch stays within the limits and little of it is padding.

    Args:
        lengths: of the waiting items, in order of arrival; at least one.
        callers: who submitted each.
        limits: what a batch may be.
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
    """Runs submitted items in batches on one thread.

    A batch that does not fit the device is run again in halves; an item that does not fit alone is
    refused with 503. When a batch fails in another way its items run one by one, so that one bad
    item spoils no other.

    Args:
        name: label of the metrics, and of the thread.
        run: items → results, in order. Raises :class:`OutOfMemory` when the device is full.
        limits: what a batch may be.
        queue_limit: items that may wait; further ones are refused at once.
        queue_timeout_s: deadline of an item from its arrival to its result, seconds.
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
        """The item's result; waits for it.

        Args:
            item: what ``run`` takes.
            length: how long it is before padding, in the unit of ``limits.padded``.
            caller: whoever shares a turn: one request, or one person's requests.

        Raises:
            Overloaded: the queue is full, the deadline passed, or the device is full.
            ClientGone: the client that this is for has left; the item left the queue with it.
            NotReady: closed.
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
        """Refuse what waits, finish what runs. Safe to call twice."""
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
        # What is being run cannot be taken back from the device: it is waited for.
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
            # Exponential mean over about the last ten batches: follows load without jumping.
            self._mean_s += 0.1 * (time.monotonic() - now - self._mean_s)

    def _next(self) -> list[Ticket[Item, Result]] | None:
        """The next batch, taken off the queue; None at the end."""
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
        """Remember the most items there were at once within the last moment."""
        if at_once >= self._crowd or now - self._crowd_at > _CROWD_S:
            self._crowd, self._crowd_at = at_once, now

    def _serve(self, batch: list[Ticket[Item, Result]]) -> None:
        """Give each ticket its result or its error."""
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
        # Not within the handlers: while its exception lives, so do the tensors of a failed pass.
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
        # Before its caller can come back, who would be counted twice.
        with self._changed:
            self._running -= 1
        ticket.done.set()

    def _as_mesh_error(self, error: Exception) -> MeshError:
        return error if isinstance(error, MeshError) else model_failure(self._name, error, "this")
