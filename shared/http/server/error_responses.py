"""Convert exceptions to errors of the mesh, and errors to the standard HTTP responses."""

from __future__ import annotations

import errno
import logging
import math
import traceback

from flask import Flask, Response, jsonify, request
from starlette.exceptions import HTTPException as StarletteHTTPException
from werkzeug.exceptions import HTTPException

from shared.core.disk_full import is_full
from shared.core.errors import (
    EngineFailure,
    InvalidRequest,
    MalformedRequest,
    MeshError,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    TooLarge,
    UnsupportedMedia,
)
from shared.core.metrics import VALIDATION_ERRORS
from shared.http.server.asgi.record import RECORD

log = logging.getLogger(__name__)

_BY_STATUS: dict[int, type[MeshError]] = {
    400: MalformedRequest,
    404: NotFound,
    405: MethodNotAllowed,
    413: TooLarge,
    415: UnsupportedMedia,
}

_ROOM_AGAIN_S = 5.0


def retry_after_header(error: MeshError) -> str | None:
    """Return ``Retry-After`` in whole seconds, rounded up; None if the error has no retry time."""
    return None if error.retry_after is None else str(max(1, math.ceil(error.retry_after)))


def log_unexpected(error: BaseException) -> None:
    """Log the stack frames of an unexpected exception.

    Its message is omitted, because it may quote a client's text.
    """
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("unexpected error", extra={"error": type(error).__name__, "frames": frames})


def as_mesh_error(error: BaseException) -> MeshError:
    """Convert an exception to a :class:`MeshError`.

    A MeshError is returned unchanged. HTTP exceptions of the frameworks and full disks have
    corresponding errors. Other exceptions are logged and become an :class:`EngineFailure`.
    """
    if isinstance(error, MeshError):
        return error
    if isinstance(error, HTTPException):
        response = error.get_response()
        allow = response.headers.get("Allow")
        fault = _by_status(error.code or 500, error.description or error.name, allow)
    elif isinstance(error, StarletteHTTPException):
        allow = (error.headers or {}).get("Allow")
        fault = _by_status(error.status_code, error.detail, allow)
    else:
        fault = None
    if fault is not None:
        return fault
    if is_full(error):
        # Large uploads are stored in temporary files; space is freed when other requests finish.
        which = errno.errorcode.get(error.errno or 0)
        log.warning("no room for temporary files", extra={"errno": which})
        return Overloaded(
            "no room for this request at the moment", code="disk_full", retry_after=_ROOM_AGAIN_S
        )
    log_unexpected(error)
    return EngineFailure("internal error; the log has the details under this request's id")


def error_headers(error: MeshError) -> dict[str, str]:
    """Return the HTTP headers of the response for ``error``."""
    headers = {"Content-Type": "application/json", **error.headers}
    if (seconds := retry_after_header(error)) is not None:
        headers["Retry-After"] = seconds
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def error_response(error: MeshError) -> Response:
    """Return the Flask response for ``error``."""
    response = jsonify(error.body())
    response.status_code = error.status
    response.headers.update(error_headers(error))
    return response


def install(app: Flask) -> None:
    """Register an error handler that returns the standard response for every exception."""

    def handle(error: Exception) -> Response:
        fault = as_mesh_error(error)
        record = request.environ.get(RECORD)
        if record is not None:
            record.outcome = fault.code
        if isinstance(fault, InvalidRequest):
            route = request.url_rule.rule if request.url_rule is not None else "unmatched"
            VALIDATION_ERRORS.labels(route=route, code=fault.code).inc()
        return error_response(fault)

    app.register_error_handler(Exception, handle)


def _by_status(status: int, text: str, allow: str | None) -> MeshError | None:
    known = _BY_STATUS.get(status)
    if known is None:
        return InvalidRequest(text) if 400 <= status < 500 else None
    fault = known(text)
    if allow is not None:
        fault.headers["Allow"] = allow
    return fault
