"""The exception hierarchy of the mesh, mapped to HTTP and WebSocket status codes.

Every failure that is visible to a client is a :class:`MeshError`. The class determines the HTTP
status, the WebSocket close code and the ``type`` of the JSON body (the OpenAI error format), so
routes do not choose them.
"""

from __future__ import annotations

from typing import Any, ClassVar


class MeshError(Exception):
    """Base class of all errors that are returned to a client or between services.

    Args:
        message: one sentence for the client; must not contain transcripts, tokens or server paths.
        param: name of the invalid request field, if any.
        code: stable machine-readable error code; defaults to the class's own.
        retry_after: seconds after which the client should retry; sent as ``Retry-After``.
        details: further JSON fields for the body (for example the available voices).
    """

    status: ClassVar[int] = 500
    ws_close: ClassVar[int] = 1011
    type: ClassVar[str] = "server_error"
    default_code: ClassVar[str] = "internal_error"
    default_retry_after: ClassVar[float | None] = None

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or self.default_code
        self.retry_after = retry_after if retry_after is not None else self.default_retry_after
        self.details = details or {}
        self.headers: dict[str, str] = {}
        """Further headers of the HTTP response."""

    def body(self) -> dict[str, Any]:
        """Return the JSON body: ``{"error": {message, type, param, code, …details}}``."""
        error: dict[str, Any] = {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        error.update(self.details)
        return {"error": error}


class InvalidRequest(MeshError):
    """The request is well formed but invalid (422)."""

    status = 422
    ws_close = 1008
    type = "invalid_request_error"
    default_code = "invalid_request"


class MalformedRequest(InvalidRequest):
    """The request cannot be parsed (400)."""

    status = 400
    default_code = "malformed_request"


class Unauthorized(MeshError):
    """The bearer token is missing or not accepted (401)."""

    status = 401
    ws_close = 1008
    type = "authentication_error"
    default_code = "invalid_api_key"


class Forbidden(MeshError):
    """The request's origin or its token is not allowed to do this (403)."""

    status = 403
    ws_close = 1008
    type = "permission_error"
    default_code = "forbidden"


class NotFound(MeshError):
    """The route or resource does not exist (404)."""

    status = 404
    ws_close = 1008
    type = "not_found_error"
    default_code = "not_found"


class UnknownVoice(NotFound):
    """The voice does not exist; ``details["available"]`` lists the existing voices (404)."""

    default_code = "unknown_voice"


class UnknownModel(NotFound):
    """The model or engine does not exist; ``details["available"]`` lists those that do (404)."""

    default_code = "unknown_model"


class RequestTimedOut(MeshError):
    """The request did not arrive in time (408)."""

    status = 408
    ws_close = 1008
    type = "invalid_request_error"
    default_code = "request_timeout"


class UpgradeRequired(MeshError):
    """The route is a WebSocket, and the request is none (426)."""

    status = 426
    ws_close = 1008
    type = "invalid_request_error"
    default_code = "upgrade_required"


class MethodNotAllowed(MeshError):
    """The route does not support this HTTP method (405)."""

    status = 405
    ws_close = 1008
    type = "invalid_request_error"
    default_code = "method_not_allowed"


class TooLarge(MeshError):
    """The body, text or audio exceeds the size limit (413)."""

    status = 413
    ws_close = 1009
    type = "invalid_request_error"
    default_code = "too_large"


class UnsupportedMedia(MeshError):
    """The audio cannot be decoded, or the content type is not supported (415)."""

    status = 415
    ws_close = 1003
    type = "invalid_request_error"
    default_code = "unsupported_media"


class RateLimited(MeshError):
    """The client has exceeded its rate limit (429)."""

    status = 429
    ws_close = 1013
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"
    default_retry_after = 1.0


class Overloaded(MeshError):
    """The queue is full, or the request timed out while waiting in it (503)."""

    status = 503
    ws_close = 1013
    default_code = "overloaded"
    default_retry_after = 1.0


class NotReady(MeshError):
    """The models are still loading or failed to load; the message says which (503)."""

    status = 503
    ws_close = 1013
    default_code = "not_ready"
    default_retry_after = 2.0


class UpstreamUnavailable(MeshError):
    """No replica of a required service responds (502)."""

    status = 502
    default_code = "upstream_unavailable"


class UpstreamTimeout(MeshError):
    """A required service did not respond in time (504)."""

    status = 504
    default_code = "upstream_timeout"


class InsufficientStorage(MeshError):
    """There is no space left to save what the request asked to save; nothing was changed (507)."""

    status = 507
    default_code = "disk_full"


class ClientGone(MeshError):
    """The client disconnected before the response began, so it never receives this error.

    499 is nginx's status for this case; it appears only in logs and metrics.
    """

    status = 499
    ws_close = 1001
    type = "client_closed_request"
    default_code = "client_closed"


class EngineFailure(MeshError):
    """The engine failed on a valid request (500)."""

    default_code = "engine_failure"


class ModelDamaged(EngineFailure):
    """A model file is missing or has a wrong checksum and could not be rebuilt (500)."""

    default_code = "model_damaged"
