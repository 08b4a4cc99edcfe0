"""The error body that every endpoint answers with; the shape is the OpenAI API's."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ErrorDetail(BaseModel):
    """What went wrong, for people (``message``) and for programs (``type``, ``code``)."""

    model_config = ConfigDict(extra="allow")

    message: str
    type: str
    param: str | None = Field(default=None, description="The request field at fault.")
    code: str | None = None


class ErrorBody(BaseModel):
    """``{"error": {message, type, param, code}}``, with an ``X-Request-ID`` header beside it."""

    error: ErrorDetail
