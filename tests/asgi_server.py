"""A service's ASGI application on a real port, and a client with the manners of Flask's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests
import uvicorn
import websocket

from shared.http.server.asgi.worker import EdgeWorker

PATIENCE_S = 10.0


class AsgiServer:
    """Runs ``app`` as the worker of every service does, in a thread, until :meth:`close`.

    Args:
        app: the ASGI application.
        max_message: largest WebSocket message, bytes.
        host: address to listen on.
        options: further options of uvicorn.
    """

    def __init__(
        self, app: Any, *, max_message: int = 1 << 24, host: str = "127.0.0.1", **options: Any
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        # As gunicorn does; connections inherit it.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        options = {**EdgeWorker.CONFIG_KWARGS, "loop": "asyncio", "log_config": None, **options}
        config = uvicorn.Config(
            app, ws_max_size=max_message, timeout_graceful_shutdown=2, **options
        )
        self._server = uvicorn.Server(config)
        self._server.capture_signals = contextlib.nullcontext  # those are for the main thread
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._server.serve(sockets=[self._listener]))
        )
        self._thread.start()
        self.port: int = self._listener.getsockname()[1]
        self.host = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.url = f"http://{self.host}"

    def stop(self) -> None:
        """Begin to stop; several servers stop in the time of one."""
        self._server.should_exit = True

    def close(self) -> None:
        """Stop; connections that are open are closed."""
        self.stop()
        self._thread.join()

    def client(self) -> Client:
        """Return a client of this server."""
        return Client(self.url)

    def raw(self) -> socket.socket:
        """Return a bare connection, for what no client library sends."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def socket(self, path: str, **more: Any) -> websocket.WebSocket:
        """Open a WebSocket."""
        return websocket.create_connection(
            f"ws://{self.host}{path}", timeout=PATIENCE_S, http_no_proxy=["*"], **more
        )


class Client:
    """An HTTP client that follows nothing and keeps nothing."""

    def __init__(self, url: str) -> None:
        self.url = url

    def open(self, path: str, method: str = "GET", **more: Any) -> Answer:
        """Send a request and read the whole answer."""
        with self._sent(path, method, **more) as response:
            return Answer(response)

    @contextlib.contextmanager
    def stream(self, path: str, method: str = "GET", **more: Any) -> Iterator[requests.Response]:
        """Send a request, and give its answer as soon as the head is there."""
        with self._sent(path, method, **more) as response:
            yield response

    def get(self, path: str, **more: Any) -> Answer:
        """Send a GET."""
        return self.open(path, **more)

    def post(self, path: str, **more: Any) -> Answer:
        """Send a POST."""
        return self.open(path, "POST", **more)

    def options(self, path: str, **more: Any) -> Answer:
        """Send an OPTIONS."""
        return self.open(path, "OPTIONS", **more)

    @contextlib.contextmanager
    def _sent(
        self,
        path: str,
        method: str,
        *,
        content_type: str | None = None,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> Iterator[requests.Response]:
        sent = {"Accept-Encoding": "identity", **(headers or {})}
        if content_type is not None:
            sent["Content-Type"] = content_type
        with requests.Session() as session:
            session.trust_env = False
            with session.request(
                method,
                self.url + path,
                headers=sent,
                allow_redirects=False,
                timeout=60,
                stream=True,
                **more,
            ) as response:
                yield response


class Answer:
    """A response, as the tests read it."""

    def __init__(self, response: requests.Response) -> None:
        self.status_code = response.status_code
        self.headers = response.raw.headers
        self.data = response.content
        self.mimetype = response.headers.get("Content-Type", "").split(";")[0]
        self.text = response.content.decode(errors="replace")
        self._response = response

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return self._response.json()


def closing_code(client: websocket.WebSocket) -> tuple[int, str]:
    """Return code and reason of the close frame that comes next."""
    opcode, data = client.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    return int.from_bytes(data[:2], "big"), data[2:].decode()


def read_to_end(connection: socket.socket) -> bytes:
    """Return what the server still sends before it closes; a reset is an end too."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(1 << 16):
            received += part
    return received


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    """Return what came until ``wanted`` was among it."""
    received = b""
    while wanted not in received:
        part = connection.recv(1 << 16)
        assert part, f"the connection ended with {received[-200:]!r}"
        received += part
    return received


def eventually(happened: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait until ``happened()`` is true."""
    until = time.monotonic() + patience_s
    while not happened():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)
