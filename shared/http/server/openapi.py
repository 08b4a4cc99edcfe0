"""Generate the OpenAPI 3.1 specification from the decorated view functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias, TypeVar

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from shared.wire.errors import ErrorBody

F = TypeVar("F", bound=Callable[..., Any])

ResponseSpec: TypeAlias = type[BaseModel] | Sequence[str]
"""The model of a JSON response, or the media types of a binary or text response."""

_RULE_ARGUMENT = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")


@dataclass(frozen=True, slots=True)
class Operation:
    """The OpenAPI description of one view function."""

    summary: str
    tag: str
    description: str = ""
    request: type[BaseModel] | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    responses: Mapping[int, ResponseSpec] = field(default_factory=dict)
    websocket: bool = False


Entry: TypeAlias = tuple[str, str, str, Operation]
"""Path, method, name of the view and description of one operation."""


def operation(
    summary: str,
    *,
    tag: str,
    request: type[BaseModel] | None = None,
    files: Mapping[str, str] | None = None,
    responses: Mapping[int, ResponseSpec] | None = None,
    description: str = "",
    websocket: bool = False,
) -> Callable[[F], F]:
    """Return a decorator that attaches an OpenAPI description to a view function.

    Args:
        summary: one line.
        tag: group on the docs page.
        request: model of the body (JSON, or form fields if ``files`` are given too).
        files: names of multipart file fields and their descriptions.
        responses: by status; the standard error body is added to every operation.
        description: longer text, Markdown.
        websocket: the route is a WebSocket; documented as GET with status 101.
    """

    def mark(view: F) -> F:
        view.__dict__["__operation__"] = Operation(
            summary, tag, description, request, files or {}, responses or {}, websocket
        )
        return view

    return mark


def entries_of(app: Flask) -> list[Entry]:
    """Return the decorated routes of ``app``."""
    found: list[Entry] = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions.get(rule.endpoint)
        marked = getattr(view, "__operation__", None)
        if marked is None:
            continue
        path = _RULE_ARGUMENT.sub(r"{\1}", rule.rule)
        methods = {"GET"} if marked.websocket else (rule.methods or set()) - {"HEAD", "OPTIONS"}
        found.extend((path, method.lower(), rule.endpoint, marked) for method in sorted(methods))
    return sorted(found, key=lambda entry: entry[:2])


def _request_body(spec: Operation, ref: str | None) -> dict[str, Any] | None:
    content: dict[str, Any] = {}
    if ref is not None:
        content["application/json"] = {"schema": {"$ref": ref}}
    if spec.files:
        fields = {
            name: {"type": "string", "format": "binary", "description": text}
            for name, text in spec.files.items()
        }
        form: dict[str, Any] = {"type": "object", "properties": fields}
        content["multipart/form-data"] = {
            "schema": {"allOf": [{"$ref": ref}, form]} if ref is not None else form
        }
    return {"required": True, "content": content} if content else None


def build_spec(entries: Sequence[Entry], *, title: str, version: str) -> dict[str, Any]:
    """Return the specification of the routes, as JSON-ready data."""
    models: dict[type[BaseModel], None] = {ErrorBody: None}
    for *_, spec in entries:
        if spec.request is not None:
            models[spec.request] = None
        for answer in spec.responses.values():
            if isinstance(answer, type):
                models[answer] = None
    refs, definitions = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )

    def ref(model: type[BaseModel]) -> str:
        return str(refs[(model, "validation")]["$ref"])

    error = {
        "description": "Any failure",
        "content": {"application/json": {"schema": {"$ref": ref(ErrorBody)}}},
    }
    paths: dict[str, Any] = {}
    for path, method, endpoint, spec in entries:
        answers: dict[str, Any] = {}
        for status, answer in spec.responses.items():
            if isinstance(answer, type):
                content = {"application/json": {"schema": {"$ref": ref(answer)}}}
            else:
                content = {kind: {"schema": {"type": "string"}} for kind in answer}
            meaning = "Success" if status < 400 else HTTPStatus(status).phrase
            answers[str(status)] = {"description": meaning, "content": content}
        if spec.websocket:
            answers["101"] = {"description": "The connection becomes a WebSocket"}
        answers["default"] = error
        item: dict[str, Any] = {
            "operationId": f"{method}_{endpoint}".replace(".", "_"),
            "summary": spec.summary,
            "tags": [spec.tag],
            "responses": answers,
        }
        if spec.description:
            item["description"] = spec.description
        names = re.findall(r"{([^}]+)}", path)
        if names:
            item["parameters"] = [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in names
            ]
        body = _request_body(spec, ref(spec.request) if spec.request is not None else None)
        if body is not None:
            item["requestBody"] = body
        paths.setdefault(path, {})[method] = item
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"bearer": []}, {}],
    }
