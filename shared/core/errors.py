"""The one error family of the mesh.

Every failure that a caller may see is a :class:`MeshError`. The class fixes the HTTP status, the
WebSocket close code and the ``type`` of the JSON body (the OpenAI error shape), so that a route
never decides them. Nothing here knows Flask.
"""

from __future__ import annotations

from typing import Any, ClassVar


class MeshError(Exception):
    """Base of every error that crosses an interface of the mesh.

    Args:
        message: one sentence for the caller; never holds transcripts, tokens or server paths.
        param: the request field at fault, if there is one.
        code: a stable machine-readable word; the class's own where not given.
        retry_after: seconds after which a retry makes sense; sent as ``Retry-After``.
        details: further JSON fields for the body (for example the voices there are).
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

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer: ``{"error": {message, type, param, code, …details}}``."""
        error: dict[str, Any] = {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        error.update(self.details)
        return {"error": error}


class InvalidRequest(MeshError):
    """The request was understood and is wrong (422)."""

    status = 422
    ws_close = 1008
    type = "invalid_request_error"
    default_code = "invalid_request"


class MalformedRequest(InvalidRequest):
    """The request could not be parsed at all (400)."""

    status = 400
    default_code = "malformed_request"


class Unauthorized(MeshError):
    """No token, or not one of ours (401)."""

    status = 401
    ws_close = 1008
    type = "authentication_error"
    default_code = "invalid_api_key"


class Forbidden(MeshError):
    """The request comes from a place it must not come from (403)."""

    status = 403
    ws_close = 1008
    type = "permission_error"
    default_code = "forbidden"


class NotFound(MeshError):
    """No such route or resource (404)."""

    status = 404
    ws_close = 1008
    type = "not_found_error"
    default_code = "not_found"


class UnknownVoice(NotFound):
    """The voice does not exist; ``details["available"]`` lists those that do (404)."""

    default_code = "unknown_voice"


class UnknownModel(NotFound):
    """The model or engine does not exist; ``details["available"]`` lists those that do (404)."""

    default_code = "unknown_model"


class MethodNotAllowed(MeshError):
    """The route exists, not with this method (405)."""

    status = 405
    ws_close = 1008
    type = "invalid_request_error"
    default_code = "method_not_allowed"


class TooLarge(MeshError):
    """Body, text or audio above the limit (413)."""

    status = 413
    ws_close = 1009
    type = "invalid_request_error"
    default_code = "too_large"


class UnsupportedMedia(MeshError):
    """Bytes that are no audio we can decode, or a content type we do not take (415)."""

    status = 415
    ws_close = 1003
    type = "invalid_request_error"
    default_code = "unsupported_media"


class RateLimited(MeshError):
    """The caller's own rate is too high (429)."""

    status = 429
    ws_close = 1013
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"
    default_retry_after = 1.0


class Overloaded(MeshError):
    """The admission queue is full, or the deadline passed while waiting in it (503)."""

    status = 503
    ws_close = 1013
    type = "server_error"
    default_code = "overloaded"
    default_retry_after = 1.0


class NotReady(MeshError):
    """Models are still loading, or could not be loaded; the message says which (503)."""

    status = 503
    ws_close = 1013
    type = "server_error"
    default_code = "not_ready"
    default_retry_after = 2.0


class UpstreamUnavailable(MeshError):
    """No replica of a needed service answers (502)."""

    status = 502
    ws_close = 1011
    type = "server_error"
    default_code = "upstream_unavailable"


class UpstreamTimeout(MeshError):
    """A needed service did not answer in time (504)."""

    status = 504
    ws_close = 1011
    type = "server_error"
    default_code = "upstream_timeout"


class ClientGone(MeshError):
    """The client closed its connection before its answer began; nobody reads this one.

    499 is nginx's status for it; it appears in logs and metrics only.
    """

    status = 499
    ws_close = 1001
    type = "client_closed_request"
    default_code = "client_closed"


class EngineFailure(MeshError):
    """The model failed on a request that was valid (500)."""

    status = 500
    ws_close = 1011
    type = "server_error"
    default_code = "engine_failure"


class ModelDamaged(EngineFailure):
    """A model file is missing or its checksum is wrong and it could not be rebuilt."""

    default_code = "model_damaged"
