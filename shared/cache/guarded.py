"""A wrapper with timeouts and a circuit breaker around a cache that may be slow or down."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeVar

from shared.cache.base import Cache
from shared.core.breaker import CircuitBreaker
from shared.core.metrics import CACHE_EVENTS

log = logging.getLogger(__name__)

T = TypeVar("T")

GET_S = 0.5
"""Timeout of a look-up, seconds; after that, computing the value anew is likely to be faster."""
PUT_S = 5.0
"""Timeout of storing and deleting, seconds."""
BACK_OFF_S = 10.0
"""Pause after a failure, seconds."""
_WORKERS = 4
_CLOSE_S = 1.0


class GuardedCache(Cache):
    """A cache behind a timeout and a circuit breaker that turns all errors into misses.

    Calls run in worker threads and are awaited only up to a timeout, because client libraries have
    no timeouts for name look-ups, credential services or a hung network disk. After one failure the
    store is not used for ``back_off_s`` seconds. Then a single trial call runs in the background,
    without its caller waiting for it; if it succeeds, the store is used again. The first call opens
    the store; a call after a failure opens it again, unless the store was only slow.

    Counted in ``voice_cache_events_total``: ``error`` for each failure, ``skipped`` for each call
    that was answered without the store.

    Args:
        name: label of the metric; a constant from the code, not from a request.
        open_store: opens the underlying cache; may raise.
        get_s: timeout of a look-up, seconds; replaced in tests.
        put_s: timeout of storing and deleting, seconds; replaced in tests.
        back_off_s: pause after a failure, seconds; replaced in tests.
        breaker: replaced in tests.
    """

    def __init__(
        self,
        name: str,
        open_store: Callable[[], Cache],
        *,
        get_s: float = GET_S,
        put_s: float = PUT_S,
        back_off_s: float = BACK_OFF_S,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self._name = name
        self._open_store = open_store
        self._get_s = get_s
        self._put_s = put_s
        self._breaker = breaker or CircuitBreaker(threshold=1, cooldown_s=back_off_s)
        self._down = False
        self._store: Cache | None = None
        self._lock = threading.Lock()
        self._workers = _Workers(f"cache-{name}", _WORKERS, self._leave)

    def get(self, key: str) -> bytes | None:
        """Return the value under ``key``; None also if the store is down or too slow."""
        return self._ask(lambda store: store.get(key), self._get_s)

    def put(self, key: str, value: bytes) -> None:
        """Store ``value`` under ``key``; do nothing if the store is down."""
        self._ask(lambda store: store.put(key, value), self._put_s)

    def delete(self, key: str) -> None:
        """Remove ``key``; do nothing if the store is down."""
        self._ask(lambda store: store.delete(key), self._put_s)

    def close(self) -> None:
        """Close the store without waiting for calls that hang."""
        self._workers.close(_CLOSE_S)
        self._leave()

    def _ask(self, call: Callable[[Cache], T], limit_s: float) -> T | None:
        was_down = self._down
        if not self._breaker.allow():
            self._count("skipped")
            return None
        # A call that times out often fails as well, a little later; both count as one failure.
        unnoted = threading.Lock()
        answer = self._workers.submit(lambda: self._try(call, limit_s, unnoted))
        if was_down:
            # This is the trial after a pause. The worker records its outcome and the caller does
            # not wait.
            self._count("skipped")
            return None
        try:
            return answer.result(limit_s)
        except Exception:
            if not answer.done():
                answer.cancel()
                self._failed("timeout", unnoted)
            # Otherwise the worker has recorded the failure.
            return None

    def _try(self, call: Callable[[Cache], T], limit_s: float, unnoted: threading.Lock) -> T:
        """Run a call in a worker: open the store if needed, call it, record the outcome."""
        try:
            store = self._opened()
            began = time.monotonic()
            answer = call(store)
        except Exception as error:
            # Catch every error of the store, so that no response depends on it.
            self._failed(type(error).__name__, unnoted)
            raise
        if time.monotonic() - began > limit_s:
            # A call above its timeout counts as a failure, but the store stays open.
            self._failed("timeout", unnoted, store)
        # The outcome of a call that has already timed out is ignored.
        elif unnoted.acquire(blocking=False):
            if self._down:
                self._down = False
                log.info("cache answers again", extra={"cache": self._name})
            self._breaker.succeeded()
        return answer

    def _opened(self) -> Cache:
        with self._lock:
            store = self._store
        if store is None:
            # Open outside the lock: opening may hang, and other calls must still be able to time
            # out.
            store = self._open_store()
            with self._lock:
                self._store = store
        return store

    def _failed(self, reason: str, unnoted: threading.Lock, store: Cache | None = None) -> None:
        """Record a failure once per call; the first to acquire ``unnoted`` records it.

        Args:
            reason: for the log.
            unnoted: the call's lock, which is acquired when its outcome is recorded.
            store: the store to keep using; None: open it again.
        """
        if not unnoted.acquire(blocking=False):
            return
        self._count("error")
        self._breaker.failed()
        with self._lock:
            self._store = store
        if not self._down:
            self._down = True
            log.warning("cache is skipped", extra={"cache": self._name, "reason": reason})

    def _count(self, event: str) -> None:
        CACHE_EVENTS.labels(cache=self._name, event=event).inc()

    def _leave(self) -> None:
        """Close the store for this thread (SQLite connections belong to threads)."""
        with self._lock:
            store = self._store
        if store is not None:
            with suppress(Exception):
                store.close()


class _Workers:
    """A pool of up to ``limit`` daemon threads, so that a hung call cannot block process exit.

    Args:
        name: prefix of the thread names.
        limit: maximum number of threads; further calls wait for a free one.
        leave: called by each thread when it ends.
    """

    def __init__(self, name: str, limit: int, leave: Callable[[], None]) -> None:
        self._name = name
        self._limit = limit
        self._leave = leave
        self._calls: SimpleQueue[tuple[Future[object], Callable[[], object]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Run ``call`` in a thread as soon as one is free, and return its future."""
        answer: Future[T] = Future()
        self._calls.put((answer, call))  # type: ignore[arg-type]
        if not self._idle.acquire(blocking=False):
            self._grow()
        return answer

    def close(self, timeout_s: float) -> None:
        """Stop the threads, waiting at most ``timeout_s`` seconds for each."""
        with self._lock:
            threads, self._threads = self._threads, []
        for _ in threads:
            self._calls.put(None)
        for thread in threads:
            thread.join(timeout_s)

    def _grow(self) -> None:
        with self._lock:
            if len(self._threads) < self._limit:
                thread = threading.Thread(
                    target=self._run, name=f"{self._name}-{len(self._threads)}", daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def _run(self) -> None:
        try:
            while (task := self._calls.get()) is not None:
                answer, call = task
                if answer.set_running_or_notify_cancel():
                    try:
                        answer.set_result(call())
                    except BaseException as error:
                        answer.set_exception(error)
                self._idle.release()
        finally:
            self._leave()
