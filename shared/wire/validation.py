"""Validate requests and the answers of services with a pydantic model."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shared.core.errors import InvalidRequest, UpstreamUnavailable

M = TypeVar("M", bound=BaseModel)


def validation_fault(error: ValidationError) -> InvalidRequest:
    """Convert a pydantic error to an :class:`InvalidRequest`, without the invalid values.

    The message is about the first error; if there are several, ``details["errors"]`` lists them
    all.
    """
    complaints = error.errors(include_url=False, include_context=False, include_input=False)
    first = complaints[0]
    where = ".".join(str(part) for part in first["loc"]) or None
    message = first["msg"]
    return InvalidRequest(
        f"{where}: {message}" if where else message,
        param=where,
        details={
            "errors": [
                {"param": ".".join(str(part) for part in c["loc"]), "message": c["msg"]}
                for c in complaints
            ]
        }
        if len(complaints) > 1
        else None,
    )


def validate(model: type[M], data: Any) -> M:
    """Validate ``data`` and return it as an instance of ``model``.

    Raises:
        InvalidRequest: the data is invalid; ``param`` names the field.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise validation_fault(error) from None


def validate_answer(model: type[M], data: Any, service: str) -> M:
    """Validate the answer of ``service`` and return it as an instance of ``model``.

    Raises:
        UpstreamUnavailable: the answer is invalid, which is not the fault of the request.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise UpstreamUnavailable(
            f"{service} sent an invalid answer ({validation_fault(error).message})",
            details={"upstream": service},
        ) from None
