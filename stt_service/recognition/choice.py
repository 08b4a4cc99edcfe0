"""Which engines can answer a request: pure functions over declared capabilities."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from shared.core.errors import InvalidRequest
from shared.engines.registry import EngineSpec


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks for.

    Attributes:
        language: tag that the recording is in; None where it is to be detected.
        task: ``translate`` needs an engine that can.
        engine: only this engine will do; None where any will.
    """

    language: str | None = None
    task: Literal["transcribe", "translate"] = "transcribe"
    engine: str | None = None


def can(spec: EngineSpec, wish: Wish) -> bool:
    """Whether an engine does what is asked, by what it declares."""
    return wish.engine in (None, spec.name) and _knows(spec, wish) and _does(spec, wish)


def refusal(wish: Wish, specs: Collection[EngineSpec]) -> InvalidRequest:
    """Why none of ``specs``, of which none :func:`can`, answers ``wish``; lists what would do."""
    allowed = [spec for spec in specs if wish.engine in (None, spec.name)]
    able = [spec for spec in allowed if _does(spec, wish)]
    if not able:
        return InvalidRequest("no engine that may answer this translates", param="task")
    language = (wish.language or "")[:32]
    return InvalidRequest(
        f"nothing here translates from the language '{language}'"
        if wish.task == "translate"
        else f"language '{language}' is not known",
        param="language",
        code="unknown_language",
        details={"available": sorted(frozenset().union(*(spec.languages for spec in able)))},
    )


def _knows(spec: EngineSpec, wish: Wish) -> bool:
    return wish.language is None or not spec.languages or wish.language in spec.languages


def _does(spec: EngineSpec, wish: Wish) -> bool:
    return wish.task == "transcribe" or "task" in spec.parameters
