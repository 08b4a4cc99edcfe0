"""Choose the engines that transcribe a recording, in the order in which they are asked.

:func:`can` decides by declared capabilities alone. :class:`EngineChooser` applies it to the engines
of a host and reports those that are loading or failed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from shared.core.errors import InvalidRequest, NotReady, UnknownModel
from shared.engines.engine_host import EngineHost
from shared.engines.fallback import SkippedEngine, absent, engines_not_ready
from shared.engines.registry import EngineSpec
from stt_service.engines.base import SttEngine

MODEL_ALIASES = frozenset(
    {"whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "default", "auto"}
)
"""Model names of other APIs that clients send by default; any engine may answer them."""


@dataclass(frozen=True, slots=True)
class EngineQuery:
    """The language, task and engine that a request asks for.

    Attributes:
        language: tag of the recording's language; None to detect it.
        task: ``translate`` needs an engine with the parameter ``task``.
        engine: the only engine that may answer, or None.
    """

    language: str | None = None
    task: Literal["transcribe", "translate"] = "transcribe"
    engine: str | None = None


def can(spec: EngineSpec, query: EngineQuery) -> bool:
    """Return whether an engine of ``spec`` declares what ``query`` needs."""
    return query.engine in (None, spec.name) and _knows(spec, query) and _does(spec, query)


def refusal(query: EngineQuery, specs: Collection[EngineSpec]) -> InvalidRequest:
    """Return the error for a query that none of ``specs`` can answer; it lists what would do."""
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


class EngineChooser:
    """Applies :func:`can` to the engines of a host.

    Args:
        host: engines, loading or ready.
        built: engines by name as soon as they are built, ready or not. What an engine that failed
            to load declares decides whether its absence is reported.
    """

    def __init__(self, host: EngineHost[SttEngine], built: Mapping[str, SttEngine]) -> None:
        self._host = host
        self._built = built

    def candidates(self, query: EngineQuery) -> list[SttEngine]:
        """Return the ready engines that can answer ``query``, in the configured order.

        Raises:
            InvalidRequest: no configured engine can; the error lists the languages there are.
            NotReady: no engine is ready, or one that is not ready could answer, or may be able to.
        """
        ready = self._host.engines()
        if able := [engine for engine in ready if can(engine.spec, query)]:
            return able
        missing = absent(self._host.status())
        for name, entry in missing.items():
            if self._could(name, query):
                reason = entry.get("reason", entry["state"])
                raise NotReady(f"engine '{name}' could and is not ready: {reason}")
        known = [self._built[name].spec for name in missing]
        raise refusal(query, [*(engine.spec for engine in ready), *known])

    def skipped(self, chosen: SttEngine, query: EngineQuery) -> list[SkippedEngine]:
        """Return the engines preferred to the chosen one that are not ready, with the reasons."""
        return engines_not_ready(
            self._host.status(), chosen.spec.name, lambda name: self._could(name, query)
        )

    def engine_of_model(self, model: str | None) -> str | None:
        """Return the engine that ``model`` names, by engine or model name; None where any will do.

        Raises:
            NotReady: the engine is not ready, or the name may be that of one still loading.
            UnknownModel: there is no such model here; the error lists those there are.
        """
        if model is None or model.lower() in MODEL_ALIASES:
            return None
        wanted = model.lower().rsplit("/", 1)[-1]
        ready = self._host.engines()
        for engine in ready:
            if wanted in _names(engine.spec):
                return engine.spec.name
        missing = absent(self._host.status())
        for name, entry in missing.items():
            engine_built = self._built.get(name)
            named = {name} if engine_built is None else _names(engine_built.spec)
            if wanted in named or (engine_built is None and entry["state"] == "loading"):
                reason = entry.get("reason", entry["state"])
                raise NotReady(f"engine '{name}' is not ready: {reason}")
        details: dict[str, object] = {
            "available": sorted({engine.spec.model for engine in ready} | {"whisper-1"})
        }
        if missing:
            details["not_ready"] = missing
        raise UnknownModel(
            f"no model '{model[:100]}' for transcription", param="model", details=details
        )

    def _could(self, name: str, query: EngineQuery) -> bool:
        """Return whether engine ``name`` declares what ``query`` needs.

        True where the engine could not be built, because then it declares nothing.
        """
        if query.engine not in (None, name):
            return False
        engine = self._built.get(name)
        return engine is None or can(engine.spec, query)


def _names(spec: EngineSpec) -> set[str]:
    """Return the names of an engine in requests: its own, its model's, and that without family."""
    model = spec.model.lower()
    return {spec.name, model, model.split("-", 1)[-1]}
