"""Applications behind the shell, on real ports."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.core.settings import CommonSettings
from shared.http.server.asgi.shell import Shell
from tests.asgi_server import AsgiServer

Serve = Callable[..., AsgiServer]


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """``serve(app)``: an ASGI application on a real port."""
    running: list[AsgiServer] = []

    def start(app: Any, **options: Any) -> AsgiServer:
        running.append(AsgiServer(app, **options))
        return running[-1]

    yield start
    for server in running:
        server.stop()
    for server in running:
        server.close()


def settings(**values: Any) -> CommonSettings:
    return CommonSettings(_env_file=None, **values)


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """A service that has one answer."""
    headers = [(b"content-length", b"5"), (b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.fixture
def make_shell(serve: Serve) -> Callable[..., AsgiServer]:
    """``make_shell(app, requests_per_minute=…, **settings)``: the shell around ``app``."""
    of_shell = {"sockets", "open_paths", "requests_per_minute", "on_stop"}

    def make(app: Any = hello, **values: Any) -> AsgiServer:
        options = {name: values.pop(name) for name in of_shell & set(values)}
        server = {}
        if (keep := values.pop("keep_alive_s", None)) is not None:
            server["timeout_keep_alive"] = keep
        return serve(Shell(app, settings(**values), **options), **server)

    return make
