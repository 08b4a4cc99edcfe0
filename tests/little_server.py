"""A little HTTP server on loopback that answers as a test tells it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class LittleServer:
    """Serves GET and POST until closed.

    Args:
        answer: gets the handler of each request and writes the answer.

    Attributes:
        url: base address.
    """

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                answer(self)

            do_GET = do_POST = _serve  # noqa: N815 - names that http.server looks for

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        """Stop; answers at work are finished first."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
