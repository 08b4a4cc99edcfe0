"""Which engines can answer a request: pure functions over declared capabilities."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from shared.core.errors import InvalidRequest
from shared.engines.registry import EngineSpec


@dataclass(frozen=True, slots=True)
class EngineQuery:
    """What a request asks for.

    Attributes:
        language: tag that the recording is in; None where it is to be detected.
        task: ``translate`` needs an engine that can.
        engine: only this engine will do; None where any will.
    """

    language: str | None = None
    task: Literal["transcribe", "translate"] = "transcribe"
    engine: str | None = None


def can(spec: EngineSpec, query: EngineQuery) -> bool:
    """Whether an engine does what is asked, by what it declares."""
    return query.engine in (None, spec.name) and _knows(spec, query) and _does(spec, query)


def refusal(query: EngineQuery, specs: Collection[EngineSpec]) -> InvalidRequest:
    """Why none of ``specs``, of which none :func:`can`, answers ``query``; lists what would do."""
    allowed = [spec for spec in specs if query.engine in (None, spec.name)]
    able = [spec for spec in allowed if _does(spec, query)]
    if not able:
        return InvalidRequest("no engine that may answer this translates", param="task")
    language = (query.language or "")[:32]
    return InvalidRequest(
        f"nothing here translates from the language '{language}'"
        if query.task == "translate"
        else f"language '{language}' is not known",
        param="language",
        code="unknown_language",
        details={"available": sorted(frozenset().union(*(spec.languages for spec in able)))},
    )


def _knows(spec: EngineSpec, query: EngineQuery) -> bool:
    return query.language is None or not spec.languages or query.language in spec.languages


def _does(spec: EngineSpec, query: EngineQuery) -> bool:
    return query.task == "transcribe" or "task" in spec.parameters
