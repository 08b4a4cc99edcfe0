"""Parse request bodies of the supported content types into pydantic models."""

from __future__ import annotations

from typing import Any, TypeVar

from flask import request
from pydantic import BaseModel
from werkzeug.datastructures import FileStorage, MultiDict

from shared.core.errors import MalformedRequest, UnsupportedMedia
from shared.wire.validation import validate

M = TypeVar("M", bound=BaseModel)


def form_fields(form: MultiDict[str, str]) -> dict[str, Any]:
    """Return form fields as a dictionary; ``name[]`` or a repeated name becomes a list."""
    fields: dict[str, Any] = {}
    for key in form:
        values = form.getlist(key)
        if key.endswith("[]"):
            fields[key[:-2]] = values
        else:
            fields[key] = values if len(values) > 1 else values[0]
    return fields


def query_and_form() -> dict[str, Any]:
    """Return the fields of a request with a file; form fields override query parameters."""
    return {**form_fields(request.args), **form_fields(request.form)}


def parse_body(model: type[M]) -> tuple[M, dict[str, FileStorage]]:
    """Parse the request's body as ``model`` and return it with the files (multipart only).

    Accepts ``application/json``, ``multipart/form-data`` and ``application/x-www-form-urlencoded``.
    A body without a content type is read as JSON.

    Raises:
        MalformedRequest: the body is not a JSON object.
        InvalidRequest: a field is missing or invalid.
        UnsupportedMedia: the content type is not supported.
    """
    kind = request.mimetype
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        files = {name: request.files[name] for name in request.files}
        return validate(model, form_fields(request.form)), files
    if kind not in ("", "application/json", "text/json") and not kind.endswith("+json"):
        raise UnsupportedMedia(
            f"content type '{kind}' is not taken here; send application/json or multipart/form-data"
        )
    try:
        data = request.get_json(force=True, silent=True)
    except RecursionError:  # a hundred thousand opening brackets
        data = None
    if not isinstance(data, dict):
        raise MalformedRequest("the body is not a JSON object")
    return validate(model, data), {}
