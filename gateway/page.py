"""The web page's files: three, served from the package, under a strict content policy."""

from __future__ import annotations

from pathlib import Path

from flask import Response

from shared.core.errors import NotFound

_FOLDER = Path(__file__).with_name("static")
_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}

PAGE_HEADERS = {
    # connect-src names ws: too, because 'self' does not cover sockets in every browser.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "media-src 'self' blob:; connect-src 'self' ws: wss:; frame-ancestors 'none'; "
        "base-uri 'none'; form-action 'none'"
    ),
    "Permissions-Policy": "microphone=(self)",
    "Cache-Control": "no-cache",
}


def page_file(name: str) -> Response:
    """One of the page's files.

    Raises:
        NotFound: there is none of that name.
    """
    path = _FOLDER / name
    # Names only, no paths: the set of files is what lies in the folder itself.
    if Path(name).name != name or path.suffix not in _TYPES or not path.is_file():
        raise NotFound("no such file")
    return Response(path.read_bytes(), mimetype=_TYPES[path.suffix], headers=PAGE_HEADERS)
