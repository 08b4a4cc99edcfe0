"""Circuit breaker with metrics for a remote engine.

Calls fail at once while the server is known to be down.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared.core.breaker import CircuitBreaker
from shared.core.errors import ClientGone, MeshError, RateLimited, UpstreamUnavailable
from shared.core.metrics import CIRCUIT_OPEN, REMOTE_CALLS

_ABOUT_THE_REQUEST = frozenset({"http_400", "http_404", "http_413", "http_422", "too_long"})
"""Error codes that are caused by the request and do not count as server failures."""


class Circuit:
    """A circuit breaker with metrics.

    Args:
        engine: name of the engine, label of the metrics.
        breaker: breaker of its server.
    """

    def __init__(self, engine: str, breaker: CircuitBreaker) -> None:
        self._engine = engine
        self._breaker = breaker

    @contextmanager
    def call(self) -> Iterator[None]:
        """Run the block as a call and record its outcome.

        Raises:
            UpstreamUnavailable: the circuit is open (code ``circuit_open``); the block does not
                run.
        """
        if not self._breaker.allow():
            self._count("circuit_open")
            raise UpstreamUnavailable(
                f"{self._engine} failed just now and is not asked again yet",
                code="circuit_open",
                retry_after=self._breaker.retry_after_s,
            )
        try:
            yield
        except RateLimited as fault:
            self._breaker.failed(fault.retry_after)
            self._count(fault.code)
            raise
        except ClientGone as fault:
            self._count(fault.code)
            raise
        except MeshError as fault:
            if fault.code in _ABOUT_THE_REQUEST:
                self._breaker.succeeded()
            else:
                self._breaker.failed()
            self._count(fault.code)
            raise
        except Exception:
            self._breaker.failed()
            self._count("failure")
            raise
        self._breaker.succeeded()
        self._count("ok")

    def _count(self, outcome: str) -> None:
        REMOTE_CALLS.labels(engine=self._engine, outcome=outcome).inc()
        CIRCUIT_OPEN.labels(engine=self._engine).set(int(self._breaker.is_tripped))
