"""What is known of one request while it is served, for the access log, metrics and cancellation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
"""An ASGI connection scope."""

RECORD = "voicemesh.record"
"""Key of the :class:`RequestRecord` in an ASGI scope and in a WSGI environment."""


@dataclass(slots=True)
class RequestRecord:
    """The state of one request that the server and the application share.

    Attributes:
        id: the request id.
        path: path of the request.
        method: HTTP method, or ``WEBSOCKET``.
        client: address of the peer.
        route: the matched route, a bounded label.
        outcome: ``ok`` or the code of the error, for metrics and the access log.
        status: HTTP status; 0 until it is known.
        engine: ``X-Engine`` of the response.
        streamed: the response has no ``Content-Length``.
        started: when the request came, ``time.monotonic()``.
    """

    id: str
    path: str
    method: str
    client: str
    route: str = "unmatched"
    outcome: str = "ok"
    status: int = 0
    engine: str = ""
    streamed: bool = False
    started: float = field(default_factory=time.monotonic)
    _gone: threading.Event = field(default_factory=threading.Event)
    _when_gone: list[Callable[[], object]] = field(default_factory=list)

    def is_gone(self) -> bool:
        """Return whether the client has disconnected; may be called from any thread."""
        return self._gone.is_set()

    def note_gone(self) -> None:
        """Note that the client has disconnected, and call what waits for it."""
        self._gone.set()
        for call in self._when_gone:
            call()
        self._when_gone.clear()

    def when_gone(self, call: Callable[[], object]) -> None:
        """Call ``call`` in the event loop when the client disconnects, or at once if it has."""
        if self._gone.is_set():
            call()
        else:
            self._when_gone.append(call)


def record_of(scope: Scope) -> RequestRecord:
    """Return the record that the shell has put into ``scope``."""
    record: RequestRecord = scope[RECORD]
    return record
