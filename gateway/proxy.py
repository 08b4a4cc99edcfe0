"""Forward HTTP requests to a service and stream the response back."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO

import requests
import urllib3
from flask import Request, Response

from shared.core.errors import UpstreamUnavailable
from shared.core.streaming import prime
from shared.http.client.pool import UpstreamPool

SMALL_BODY = 1 << 20
"""Maximum size of a body held in memory, bytes. Larger ones go to a temporary file. Both can be
sent again to another replica.
"""
READ_SIZE = 1 << 16

_HOP_BY_HOP = frozenset(
    {
        # RFC 9110, section 7.6.1.
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te"),
        *("trailer", "transfer-encoding", "upgrade", "proxy-connection"),
        # Written by this server itself.
        *("date", "server", "x-request-id"),
    }
)
# Content-Length is computed from the body; Host names the replica; the mesh's own token replaces
# the client's. Compression is disabled, since audio does not compress and would be buffered.
_NOT_FORWARDED = _HOP_BY_HOP | {
    *("content-length", "host", "authorization", "accept-encoding", "cookie"),
}


def end_to_end(headers: Iterable[tuple[str, str]], dropped: frozenset[str]) -> dict[str, str]:
    """Return the headers without those in ``dropped``."""
    return {name: value for name, value in headers if name.lower() not in dropped}


@contextmanager
def replayable_body(request: Request) -> Iterator[bytes | IO[bytes] | None]:
    """Provide the request's body in a form that can be sent more than once.

    It is bytes or a temporary file; None for GET and HEAD.
    """
    if request.method in ("GET", "HEAD"):
        yield None
    elif request.content_length is not None and request.content_length <= SMALL_BODY:
        yield request.get_data(cache=False)
    else:
        with TemporaryFile() as spool:
            shutil.copyfileobj(request.stream, spool, READ_SIZE)
            spool.seek(0)
            yield spool


def read_as_it_comes(response: requests.Response) -> Iterator[bytes]:
    """Yield chunks of a response body as they arrive, without filling a buffer first.

    Raises:
        UpstreamUnavailable: the service closed the connection before the end.
    """
    try:
        while piece := response.raw.read1(READ_SIZE, decode_content=False):
            yield piece
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise UpstreamUnavailable("the service broke off in the middle of its answer") from error


def forward(pool: UpstreamPool, request: Request) -> Response:
    """Forward the request to a service and return its response, streamed.

    Error responses of the service are passed on unchanged.

    Raises:
        MeshError: those of :meth:`UpstreamPool.request`, and of a body that breaks off at its
            start.
    """
    headers = {
        "Accept-Encoding": "identity",
        **end_to_end(request.headers.items(), _NOT_FORWARDED),
    }
    query = [(name, value) for name, value in request.args.items(multi=True) if name != "token"]
    with replayable_body(request) as body:
        upstream = pool.request(
            request.method, request.path, headers=headers, params=query, body=body
        )
    answer = Response(
        # The first piece is awaited: a service that dies before it is an error with a status.
        prime(read_as_it_comes(upstream), upstream.close),
        status=upstream.status_code,
        direct_passthrough=True,
    )
    answer.headers.clear()
    for name, value in end_to_end(upstream.headers.items(), _HOP_BY_HOP).items():
        answer.headers[name] = value
    return answer
