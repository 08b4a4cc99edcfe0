"""Keeps a cache that is slow, broken or away from being noticed by those who use it."""

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
"""Longest wait for a look-up, seconds: above it, making the thing anew is the better bet."""
PUT_S = 5.0
"""Longest wait for storing and forgetting, seconds."""
BACK_OFF_S = 10.0
"""Pause after a failure, seconds."""
_WORKERS = 4
_CLOSE_S = 1.0


class GuardedCache(Cache):
    """A cache behind a deadline and a circuit breaker; nothing it does ever raises.

    Calls run in threads of their own and are waited for only so long: client libraries have
    time limits, yet none for name look-ups, credential services or a hung network disk. After one
    failure the store is left alone for ``back_off_s``; then a single call is tried *without
    anybody waiting for it*, and its success lets all others in again. The store is opened by the
    first call and again after each failure.

    Counted in ``voice_cache_events_total``: ``error`` for each failure, ``skipped`` for each call
    that was answered without the store.

    Args:
        name: label of the metric: code's own, never a request's.
        open_store: opens the cache behind; may raise.
        get_s, put_s, back_off_s: see the constants; replaced in tests.
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
        """See :class:`Cache`; None also where the store is down or too slow."""
        return self._ask(lambda store: store.get(key), self._get_s)

    def put(self, key: str, value: bytes) -> None:
        """See :class:`Cache`; nothing happens where the store is down."""
        self._ask(lambda store: store.put(key, value), self._put_s)

    def delete(self, key: str) -> None:
        """See :class:`Cache`; nothing happens where the store is down."""
        self._ask(lambda store: store.delete(key), self._put_s)

    def close(self) -> None:
        """Close the store; a call that hangs is not waited for."""
        self._workers.close(_CLOSE_S)
        self._leave()

    def _ask(self, call: Callable[[Cache], T], limit_s: float) -> T | None:
        was_down = self._down
        if not self._breaker.allow():
            self._count("skipped")
            return None
        # A call that comes too late often fails too, a little later: it is one failure.
        unnoted = threading.Lock()
        answer = self._workers.submit(lambda: self._try(call, limit_s, unnoted))
        if was_down:
            # The trial after a pause: its outcome is noted by the worker; nobody waits for it.
            self._count("skipped")
            return None
        try:
            return answer.result(limit_s)
        except Exception:
            if not answer.done():
                answer.cancel()
                self._failed("timeout", unnoted)
            # Otherwise the worker has noted what went wrong.
            return None

    def _try(self, call: Callable[[Cache], T], limit_s: float, unnoted: threading.Lock) -> T:
        """Run in a worker: open where needed, call, note the outcome."""
        try:
            store = self._opened()
            began = time.monotonic()
            answer = call(store)
        except Exception as error:
            # Whatever a store raises: an answer must not depend on it.
            self._failed(type(error).__name__, unnoted)
            raise
        if time.monotonic() - began > limit_s:
            # Too slow to be waited for is down too; but the store is open now, and stays so.
            self._failed("timeout", unnoted, store)
        # What was given up says nothing, however it ends.
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
            # Outside the lock: opening may hang, and others must be able to give up.
            store = self._open_store()
            with self._lock:
                self._store = store
        return store

    def _failed(self, reason: str, unnoted: threading.Lock, store: Cache | None = None) -> None:
        """Note a failure, once for each call: whoever takes ``unnoted`` is the first to see it.

        Args:
            reason: for the log.
            unnoted: of the call.
            store: to go on with; None: it is opened anew.
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
        """Close the store as seen by this thread (SQLite's connections belong to threads)."""
        with self._lock:
            store = self._store
        if store is not None:
            with suppress(Exception):
                store.close()


class _Workers:
    """Up to ``limit`` daemon threads: a hung call must not keep the process from ending.

    Args:
        name: of the threads.
        limit: of threads; further calls wait for a free one.
        leave: run by each thread when it ends.
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
        """Run ``call`` in a thread as soon as one is free."""
        answer: Future[T] = Future()
        self._calls.put((answer, call))  # type: ignore[arg-type]
        if not self._idle.acquire(blocking=False):
            self._grow()
        return answer

    def close(self, timeout_s: float) -> None:
        """End the threads, waiting at most ``timeout_s`` seconds for each."""
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
