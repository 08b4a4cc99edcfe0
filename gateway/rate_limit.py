"""Limit the requests per minute of each client with a moving window (library ``limits``)."""

from __future__ import annotations

import hashlib
import time

from flask import Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from shared.core.errors import RateLimited
from shared.http.server.auth import presented_token


class RateLimit:
    """A rate limiter with at most ``per_minute`` requests per client; 0 disables it.

    Args:
        per_minute: requests of one client within 60 s.
        by_token: tokens are checked, so that they identify clients. Where they are not, a client
            could send another one with every request.
    """

    def __init__(self, per_minute: int, *, by_token: bool) -> None:
        self._by_token = by_token
        self._item = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def check(self, request: Request) -> None:
        """Count a request of its client, identified by its checked token or else its address.

        Raises:
            RateLimited: the client has reached the limit; ``retry_after`` is the time until a
                request leaves the window.
        """
        if self._item is None:
            return
        token = presented_token(request) if self._by_token else None
        # Store only a digest of the token in the limiter.
        caller = (
            hashlib.sha256(token.encode()).hexdigest()
            if token
            else request.remote_addr or "unknown"
        )
        if not self._limiter.hit(self._item, caller):
            resets = self._limiter.get_window_stats(self._item, caller).reset_time
            raise RateLimited(
                f"more than {self._item.amount} requests in a minute",
                retry_after=max(1.0, resets - time.time()),
            )
