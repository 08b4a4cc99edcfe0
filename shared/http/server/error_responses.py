"""Convert exceptions to the standard JSON error responses."""

from __future__ import annotations

import errno
import logging
import math
import traceback

from flask import Flask, Response, jsonify, request
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

log = logging.getLogger(__name__)

_BY_STATUS: dict[int, type[MeshError]] = {
    400: MalformedRequest,
    404: NotFound,
    405: MethodNotAllowed,
    413: TooLarge,
    415: UnsupportedMedia,
}

_ROOM_AGAIN_S = 5.0

OUTCOME = "voicemesh.outcome"
"""WSGI environment key: ``ok`` or the error code, for metrics and the access log."""
ROUTE = "voicemesh.route"
"""WSGI environment key: the matched URL rule, a bounded label."""


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

    A MeshError is returned unchanged. HTTP exceptions and full disks have corresponding errors.
    Other exceptions are logged and become an :class:`EngineFailure`.
    """
    if isinstance(error, MeshError):
        return error
    if isinstance(error, HTTPException):
        known = _BY_STATUS.get(error.code or 500)
        if known is not None:
            return known(error.description or error.name)
        if error.code is not None and 400 <= error.code < 500:
            return InvalidRequest(error.description or error.name)
    if is_full(error):
        # Large uploads are stored in temporary files; space is freed when other requests finish.
        which = errno.errorcode.get(error.errno or 0)
        log.warning("no room for temporary files", extra={"errno": which})
        return Overloaded(
            "no room for this request at the moment", code="disk_full", retry_after=_ROOM_AGAIN_S
        )
    log_unexpected(error)
    return EngineFailure("internal error; the log has the details under this request's id")


def error_response(error: MeshError) -> Response:
    """Return the HTTP response for ``error``: standard body, status and ``Retry-After``."""
    response = jsonify(error.body())
    response.status_code = error.status
    if (seconds := retry_after_header(error)) is not None:
        response.headers["Retry-After"] = seconds
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def install(app: Flask) -> None:
    """Register an error handler that returns the standard response for every exception."""

    def handle(error: Exception) -> Response:
        fault = as_mesh_error(error)
        request.environ[OUTCOME] = fault.code
        if isinstance(fault, InvalidRequest):
            route = request.environ.get(ROUTE, "")
            VALIDATION_ERRORS.labels(route=route, code=fault.code).inc()
        return error_response(fault)

    app.register_error_handler(Exception, handle)
