"""Which engines of a host are asked for a transcript, where some may be loading or broken."""

from __future__ import annotations

from collections.abc import Mapping

from shared.core.errors import NotReady, UnknownModel
from shared.engines.fallback import SkippedEngine, absent, engines_not_ready
from shared.engines.host import EngineHost
from shared.engines.registry import EngineSpec
from stt_service.engines.base import SttEngine
from stt_service.recognition.choice import EngineQuery, can, refusal

MODEL_ALIASES = frozenset(
    {"whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "default", "auto"}
)
"""Names that clients send by habit; they leave the choice to the service."""


class EngineSelection:
    """:func:`can` over the engines of a host; what is missing is reported, never overlooked.

    Args:
        host: engines, loading or ready.
        built: engines by name as soon as they are built, ready or not: what one that failed to
            load could have done decides whether its absence is reported.
    """

    def __init__(self, host: EngineHost[SttEngine], built: Mapping[str, SttEngine]) -> None:
        self._host = host
        self._built = built

    def candidates(self, query: EngineQuery) -> list[SttEngine]:
        """The ready engines that can answer ``query``, in the configured order; at least one.

        Raises:
            InvalidRequest: none of the configured ones can; lists the languages there are.
            NotReady: none is ready, or one that is not could, or may be able to.
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
        """The engines that are preferred to the chosen one and are not ready, with the reasons."""
        return engines_not_ready(
            self._host.status(), chosen.spec.name, lambda name: self._could(name, query)
        )

    def engine_of_model(self, model: str | None) -> str | None:
        """The engine that ``model`` names, itself or by its model; None where any will do.

        Raises:
            NotReady: it is configured and not ready, or may be one that is still loading.
            UnknownModel: there is no such model here; lists those there are.
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
        """Whether the engine ``name`` would do for ``query`` by what it declares; True where it
        could not even be built and so declares nothing."""
        if query.engine not in (None, name):
            return False
        engine = self._built.get(name)
        return engine is None or can(engine.spec, query)


def _names(spec: EngineSpec) -> set[str]:
    """What a request may call an engine: its name, its model, and that without its family."""
    model = spec.model.lower()
    return {spec.name, model, model.split("-", 1)[-1]}
