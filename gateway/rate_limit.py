"""Requests per minute of one caller, counted by a moving window (library ``limits``)."""

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
    """At most ``per_minute`` requests of each caller; 0 switches it off."""

    def __init__(self, per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def check(self, request: Request) -> None:
        """Count this request.

        Raises:
            RateLimited: the caller has used up its minute; ``retry_after`` says when one falls out
                of the window.
        """
        if self._item is None:
            return
        token = presented_token(request)
        # The digest, so that no token lies in the limiter's storage.
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
