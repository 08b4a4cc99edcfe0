"""Convert another service's error response to the same :class:`MeshError`."""

from __future__ import annotations

import math
from typing import Any

import requests

from shared.core import errors
from shared.core.errors import EngineFailure, MeshError, UpstreamUnavailable

_CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, MeshError) and value is not MeshError
]
_BY_CODE = {cls.default_code: cls for cls in reversed(_CLASSES)}
_BY_STATUS = {cls.status: cls for cls in reversed(_CLASSES)}


def fault_from_body(body: Any, status: int | None, retry_after: float | None = None) -> MeshError:
    """Return the error for a body ``{"error": {…}}``, chosen by its code, or else by the status.

    A body of another form explains nothing: with a status of the service's own fault (5xx) the
    status decides, with any other the service is at fault for not saying what is wrong.

    Args:
        body: parsed JSON; None if it could not be parsed.
        status: HTTP status; None for an event of a WebSocket, which has none.
        retry_after: seconds from ``Retry-After``.
    """
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return _unexplained(status, retry_after)
    code = error.get("code") if isinstance(error.get("code"), str) else None
    known = _BY_CODE.get(code) if code is not None else None
    if known is None or (status is not None and known.status != status):
        known = _BY_STATUS.get(status, EngineFailure) if status is not None else EngineFailure
    param = error.get("param")
    details = {k: v for k, v in error.items() if k not in ("message", "type", "param", "code")}
    return known(
        str(error.get("message") or f"the service answered {status}"),
        param=param if isinstance(param, str) else None,
        code=code,
        retry_after=retry_after,
        details=details,
    )


def _unexplained(status: int | None, retry_after: float | None) -> MeshError:
    if status is None:
        return EngineFailure("the service reported an error")
    cls = _BY_STATUS.get(status) if status >= 500 else None
    return (cls or UpstreamUnavailable)(
        f"the service answered {status} without an explanation", retry_after=retry_after
    )


def fault_from_response(response: requests.Response) -> MeshError:
    """Return the error for a response with status 400 or above, and close the response."""
    try:
        body = response.json()
    except (ValueError, RecursionError, requests.RequestException):
        body = None
    finally:
        response.close()
    try:
        seconds = float(response.headers.get("Retry-After", ""))
        retry_after = seconds if math.isfinite(seconds) and seconds >= 0 else None
    except ValueError:
        retry_after = None
    return fault_from_body(body, response.status_code, retry_after)
