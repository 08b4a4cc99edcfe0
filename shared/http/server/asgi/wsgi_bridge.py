"""Run a WSGI application, such as a Flask one, in threads behind the event loop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import IO, Any, TypeAlias

from shared.core.cancellation import watching
from shared.core.errors import ClientGone
from shared.core.streaming import close_quietly
from shared.http.server.asgi.record import RECORD, RequestRecord, Scope, record_of
from shared.http.server.asgi.request_body import Receive

_PART = 1 << 16

Message: TypeAlias = MutableMapping[str, Any]

_SINGLE = frozenset({"content-type", "content-length"})


class WsgiBridge:
    """An ASGI application that runs ``app`` in a thread per request.

    The body of the request is complete and lies at ``scope["body"]``. Each chunk of the response is
    passed on before the next one is made, and the response is closed when the client disconnects.

    Args:
        app: the WSGI application.
        threads: requests at once.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], threads: int) -> None:
        self._app = app
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="request")

    async def __call__(self, scope: Scope, receive: Receive, send: Any) -> None:
        """Serve one HTTP request."""
        loop = asyncio.get_running_loop()

        async def send_all(messages: tuple[Message, ...]) -> None:
            for message in messages:
                await send(message)

        def pass_on(*messages: Message) -> None:
            # Every hop into the event loop costs some 100 µs.
            asyncio.run_coroutine_threadsafe(send_all(messages), loop).result()

        record = record_of(scope)
        run = copy_context().run
        await loop.run_in_executor(self._threads, run, self._serve, scope, record, pass_on)

    def _serve(
        self,
        scope: Scope,
        record: RequestRecord,
        pass_on: Callable[..., None],
    ) -> None:
        head: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
            head["status"] = int(status.split(" ", 1)[0])
            head["headers"] = [
                (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
            ]
            return _no_write

        with watching(record.is_gone):
            body = self._app(_environ(scope, record), start_response)
            try:
                chunks = iter(body)
                # The application calls start_response() at the latest when it makes this chunk.
                chunk = next(chunks, b"")
                start = {"type": "http.response.start", **head}
                if any(name == b"content-length" for name, _ in head["headers"]):
                    whole = b"".join((chunk, *chunks))
                    # In parts, so that a client that does not read is noticed.
                    ends = range(_PART, len(whole), _PART)
                    parts = [_body(whole[end - _PART : end], more=True) for end in ends]
                    last = whole[len(parts) * _PART :]
                    pass_on(start, *parts, _body(last, more=False))
                    return
                pass_on(start, _body(chunk, more=True))
                for chunk in chunks:
                    pass_on(_body(chunk, more=True))
                    if record.is_gone():
                        raise ClientGone("the client has left")
                pass_on(_body(b"", more=False))
            finally:
                close_quietly(body)


def _body(chunk: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": chunk, "more_body": more}


def _no_write(data: bytes) -> None:
    raise RuntimeError("the write() of WSGI is not supported")


def _environ(scope: Scope, record: RequestRecord) -> dict[str, Any]:
    """Return the WSGI environment of a request (PEP 3333)."""
    body: IO[bytes] = scope["body"]
    size = body.seek(0, 2)
    body.seek(0)
    host, port = scope.get("server") or ("localhost", 80)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode("utf-8").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "REMOTE_ADDR": record.client,
        # The body is complete, whatever transfer coding it came in.
        "CONTENT_LENGTH": str(size),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        RECORD: record,
    }
    for raw, value in scope["headers"]:
        name, text = raw.decode("latin-1"), value.decode("latin-1")
        if name in ("content-length", "transfer-encoding"):
            continue
        key = name.upper().replace("-", "_")
        if name not in _SINGLE:
            key = f"HTTP_{key}"
            if key in environ:
                text = f"{environ[key]},{text}"
        environ[key] = text
    return environ
