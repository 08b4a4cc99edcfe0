"""Check whether the client of the current request is still connected.

A server notices a disconnect only when it writes to the socket, which a request waiting in a queue
does not do. The web layer therefore registers a probe that waiting code polls.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

_PROBE: ContextVar[Callable[[], bool] | None] = ContextVar("client_probe", default=None)


def client_is_gone() -> bool:
    """Return whether the current client has disconnected; False if no probe is registered."""
    probe = _PROBE.get()
    return probe is not None and probe()


@contextlib.contextmanager
def watching(probe: Callable[[], bool]) -> Iterator[None]:
    """Register ``probe`` for :func:`client_is_gone` inside the block."""
    token = _PROBE.set(probe)
    try:
        yield
    finally:
        _PROBE.reset(token)
