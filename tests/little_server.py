"""A little HTTP server on loopback that answers as a test tells it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import trustme


class LittleServer:
    """Serves GET and POST until closed.

    Args:
        answer: gets the handler of each request and writes the answer.
        certificate: makes it speak TLS.

    Attributes:
        url: base address.
    """

    def __init__(
        self,
        answer: Callable[[BaseHTTPRequestHandler], None],
        certificate: trustme.LeafCert | None = None,
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                answer(self)

            do_GET = do_POST = _serve  # noqa: N815 - names that http.server looks for

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        scheme = "http"
        if certificate is not None:
            scheme = "https"
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(tls)
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"{scheme}://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        """Stop; answers at work are finished first."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
