"""Whether the client that a thread works for is still there.

A server notices that a client has left only when it writes to it, which a request that waits in a
queue does not do. The web layer leaves a probe here; whoever waits asks it now and then.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

_PROBE: ContextVar[Callable[[], bool] | None] = ContextVar("client_probe", default=None)


def client_is_gone() -> bool:
    """True when the current client has closed its connection; False where nobody knows."""
    probe = _PROBE.get()
    return probe is not None and probe()


@contextlib.contextmanager
def watching(probe: Callable[[], bool]) -> Iterator[None]:
    """Let :func:`client_is_gone` ask ``probe`` inside the block."""
    token = _PROBE.set(probe)
    try:
        yield
    finally:
        _PROBE.reset(token)
