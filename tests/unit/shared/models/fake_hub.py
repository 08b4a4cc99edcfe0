"""A model hub of three routes: the description of a model, a listing of its files, their bytes."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git_digest(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class FakeHub:
    """Serves ``files`` of each repository; faults as the test sets them.

    Attributes:
        asked: (method, path, Range header, Authorization header) of every request.
        cut_after: bytes after which a file's connection breaks; None: never.
        cuts: how many connections break so.
        spared: how many answer in full before the first that breaks.
        gated: every file is refused as gated ones are.
        status: answer everything with this status; None: properly.
        lie: announce other digests than the files have.
    """

    def __init__(self, files: Mapping[str, Mapping[str, bytes]], small: int = 100) -> None:
        self.files = files
        self.small = small
        self.asked: list[tuple[str, str, str | None, str | None]] = []
        self.cut_after: int | None = None
        self.cuts = 1000
        self.spared = 0
        self.gated = False
        self.status: int | None = None
        self.lie = False
        self.hold: threading.Event | None = None
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                hub.answer(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def downloads(self) -> list[tuple[str, str | None]]:
        """Path and Range of every request for bytes."""
        return [(path, span) for _, path, span, _ in self.asked if path.startswith("/cdn/")]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        headers = request.headers
        span = headers.get("Range")
        self.asked.append((request.command, request.path, span, headers.get("Authorization")))
        path = request.path.partition("?")[0]
        if self.status is not None:
            self._send(request, self.status, b"{}")
        elif path.startswith("/api/models/"):
            repo, _, listing = path.removeprefix("/api/models/").partition("/tree/")
            repo = repo.partition("/revision/")[0]
            if listing:
                self._send(request, 200, json.dumps(self._tree(repo)).encode())
            elif repo in self.files:
                self._send(request, 200, json.dumps(self._info(repo)).encode())
            else:
                self._send(request, 401, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif self.gated:
            self._send(request, 403, b"{}", {"X-Error-Code": "GatedRepo"})
        elif "/resolve/" in path:
            repo, _, rest = path[1:].partition("/resolve/")
            # Bytes come from another host, as they do there: "localhost" is one.
            place = f"http://localhost:{self.port}/cdn/{repo}/{rest.partition('/')[2]}"
            self._send(request, 302, b"", {"Location": place})
        else:
            self._bytes(request, path, span)

    def _info(self, repo: str) -> dict[str, Any]:
        siblings = []
        for name, data in self.files[repo].items():
            entry: dict[str, Any] = {"rfilename": name, "size": len(data)}
            entry["blobId"] = git_digest(data + b"!" * self.lie)
            if len(data) > self.small:
                digest = hashlib.sha256(data + b"!" * self.lie).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(data), "pointerSize": 130}
            siblings.append(entry)
        return {"id": repo, "sha": COMMIT, "siblings": siblings, "tags": [], "downloads": 0}

    def _tree(self, repo: str) -> list[dict[str, Any]]:
        return [
            {"type": "file", "path": name, "size": len(data), "oid": git_digest(data)}
            for name, data in self.files[repo].items()
        ]

    def _bytes(self, request: BaseHTTPRequestHandler, path: str, span: str | None) -> None:
        organisation, name, rest = path.removeprefix("/cdn/").split("/", 2)
        data = self.files[f"{organisation}/{name}"][rest]
        first, _, last = (span or "bytes=0-").removeprefix("bytes=").partition("-")
        start = int(first)
        body = data[start : int(last) + 1] if last else data[start:]
        request.send_response(206 if span else 200)
        if span:
            request.send_header(
                "Content-Range", f"bytes {start}-{start + len(body) - 1}/{len(data)}"
            )
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        self.spared -= 1
        breaks = self.spared < 0 < self.cuts
        if breaks and self.cut_after is not None and len(body) > self.cut_after:
            self.cuts -= 1
            request.wfile.write(body[: self.cut_after])
            request.wfile.flush()
            if self.hold is not None:
                self.hold.wait(60)
            request.close_connection = True
            request.connection.shutdown(2)
            return
        request.wfile.write(body)

    @staticmethod
    def _send(
        request: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        request.send_response(status)
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)
