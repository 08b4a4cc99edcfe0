"""The error body of all endpoints, in the OpenAI API's format."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ErrorDetail(BaseModel):
    """An error, for people (``message``) and for programs (``type``, ``code``)."""

    model_config = ConfigDict(extra="allow")

    message: str
    type: str
    param: str | None = Field(default=None, description="The request field at fault.")
    code: str | None = None


class ErrorBody(BaseModel):
    """Body of an error: ``{"error": {message, type, param, code}}``.

    Every response also has an ``X-Request-ID`` header.
    """

    error: ErrorDetail
