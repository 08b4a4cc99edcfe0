"""Data → a pydantic model, or the mesh's error that names the field at fault."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shared.core.errors import InvalidRequest

M = TypeVar("M", bound=BaseModel)


def validation_fault(error: ValidationError) -> InvalidRequest:
    """The first complaint of pydantic, without the value that it complains about."""
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
    """``model`` made of ``data``.

    Raises:
        InvalidRequest: it does not fit; ``param`` names the field.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise validation_fault(error) from None
