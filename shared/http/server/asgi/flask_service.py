"""Serve a Flask application, with its WebSockets, behind the shell."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from shared.core.errors import UpgradeRequired
from shared.core.settings import CommonSettings
from shared.http.server.asgi.shell import Shell
from shared.http.server.asgi.socket import Socket, ThreadSessions
from shared.http.server.asgi.wsgi_bridge import WsgiBridge
from shared.http.server.openapi import operation

_SOCKETS = "voicemesh-sockets"
_SPARE_THREADS = 8
"""Threads for probes beside those of the requests."""

Session = Callable[[Socket], None]


def ws_route(
    app: Flask, path: str, *, summary: str, tag: str = "WebSocket", description: str = ""
) -> Callable[[Session], Session]:
    """Return a decorator that serves ``path`` of ``app`` as a WebSocket.

    The decorated function is called in a thread once per session. If it raises a MeshError, the
    error is sent as a message and the socket is closed with the error's code.
    """

    def decorate(session: Session) -> Session:
        app.extensions.setdefault(_SOCKETS, {})[path] = session

        def described() -> str:
            raise UpgradeRequired("this path is a WebSocket")

        # For the specification: the shell answers this path itself.
        mark = operation(summary, tag=tag, description=description, websocket=True)
        app.add_url_rule(path, session.__name__, mark(described))
        return session

    return decorate


def shell_around(app: Flask, settings: CommonSettings) -> Shell:
    """Return the ASGI application that serves ``app``."""
    sockets: dict[str, Session] = app.extensions.get(_SOCKETS, {})
    threads = ThreadSessions(settings.max_sockets, settings.max_body_bytes)
    return Shell(
        WsgiBridge(app.wsgi_app, settings.max_requests + _SPARE_THREADS),
        settings,
        sockets={path: threads.handler(session) for path, session in sockets.items()},
    )
