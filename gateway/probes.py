"""Ask the services for their state, at most once at a time and for at most a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from gateway.upstream import PROBE_S

T = TypeVar("T")


class SharedProbe(Generic[T]):
    """A question whose answer is shared by all who ask while it is on its way.

    Args:
        ask: asks the service.
        fresh_s: how long an answer is used again, seconds.
        late: the answer where there was none within :data:`.upstream.PROBE_S`.
    """

    def __init__(self, ask: Callable[[], Awaitable[T]], *, late: T, fresh_s: float = 0.0) -> None:
        self._ask = ask
        self._late = late
        self._fresh_s = fresh_s
        self._asked: asyncio.Task[T] | None = None
        self._answer = late
        self._at = float("-inf")

    async def answer(self) -> T:
        """Return the service's answer."""
        if time.monotonic() - self._at < self._fresh_s:
            return self._answer
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self._bounded())
        return await asyncio.shield(self._asked)

    async def _bounded(self) -> T:
        try:
            async with asyncio.timeout(PROBE_S):
                self._answer = await self._ask()
        except TimeoutError:
            self._answer = self._late
        self._at = time.monotonic()
        return self._answer
