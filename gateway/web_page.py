"""Serve the files of the web page from the package, with a strict content security policy."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import Response

from shared.core.errors import NotFound

_FOLDER = Path(__file__).with_name("static")
_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}

PAGE_HEADERS = {
    # connect-src includes ws:, because 'self' does not cover WebSockets in every browser.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "media-src 'self' blob:; connect-src 'self' ws: wss:; frame-ancestors 'none'; "
        "base-uri 'none'; form-action 'none'"
    ),
    "Permissions-Policy": "microphone=(self)",
    "Cache-Control": "no-cache",
}


def page_file(name: str) -> Response:
    """Return a file of the web page as a response.

    Raises:
        NotFound: the page has no such file.
    """
    path = _FOLDER / name
    # Only names without a path are accepted, so only files of the folder itself are served.
    if Path(name).name != name or path.suffix not in _TYPES or not path.is_file():
        raise NotFound("no such file")
    return Response(path.read_bytes(), media_type=_TYPES[path.suffix], headers=PAGE_HEADERS)
