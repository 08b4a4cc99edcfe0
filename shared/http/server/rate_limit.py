"""Limit the requests per minute of each client with a moving window (library ``limits``)."""

from __future__ import annotations

import hashlib
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from shared.core.errors import RateLimited

_CLEAN_EVERY_S = 60.0


class RateLimit:
    """A rate limiter with at most ``per_minute`` requests per client; 0 disables it."""

    def __init__(self, per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._storage = MemoryStorage()
        self._limiter = MovingWindowRateLimiter(self._storage)
        self._cleaned_at = time.monotonic()

    def count(self, client: str) -> None:
        """Count a request of ``client``, which is a token or an address.

        Raises:
            RateLimited: the client has reached the limit; ``retry_after`` is the time until a
                request leaves the window.
        """
        if self._item is None:
            return
        self._forget_idle()
        # Only a digest is kept, since the client may be a token.
        key = hashlib.sha256(client.encode()).hexdigest()
        if not self._limiter.hit(self._item, key):
            resets = self._limiter.get_window_stats(self._item, key).reset_time
            raise RateLimited(
                f"more than {self._item.amount} requests in a minute",
                retry_after=max(1.0, resets - time.time()),
            )

    def _forget_idle(self) -> None:
        """Drop clients without a request in the window, which the storage would keep for ever."""
        if time.monotonic() - self._cleaned_at < _CLEAN_EVERY_S:
            return
        self._cleaned_at = time.monotonic()
        for key, entries in list(self._storage.events.items()):
            if not entries:
                self._storage.clear(key)
