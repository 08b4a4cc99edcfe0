"""Convert another service's error response to the same :class:`MeshError`."""

from __future__ import annotations

from typing import Any

import requests

from shared.core import errors
from shared.core.errors import EngineFailure, MeshError

_CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, MeshError) and value is not MeshError
]
_BY_CODE = {cls.default_code: cls for cls in reversed(_CLASSES)}
_BY_STATUS = {cls.status: cls for cls in reversed(_CLASSES)}


def fault_from_body(body: Any, status: int, retry_after: float | None = None) -> MeshError:
    """Return the error for a body ``{"error": {…}}``, chosen by its code, or else by the status."""
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else {}
    code = error.get("code")
    known = _BY_CODE.get(code) if isinstance(code, str) else None
    cls = known or _BY_STATUS.get(status, EngineFailure)
    details = {k: v for k, v in error.items() if k not in ("message", "type", "param", "code")}
    return cls(
        str(error.get("message") or f"the service answered {status}"),
        param=error.get("param"),
        code=code if isinstance(code, str) else None,
        retry_after=retry_after,
        details=details,
    )


def fault_from_response(response: requests.Response) -> MeshError:
    """Return the error for a response with status 400 or above, and close the response."""
    try:
        body = response.json()
    except (ValueError, requests.RequestException):
        body = None
    finally:
        response.close()
    try:
        retry_after = float(response.headers.get("Retry-After", ""))
    except ValueError:
        retry_after = None
    return fault_from_body(body, response.status_code, retry_after)
