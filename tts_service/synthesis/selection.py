"""Which engine of a host answers, where some of them may be loading or broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.core.errors import InvalidRequest, NotReady, UnknownModel, UnknownVoice
from shared.engines.fallback import SkippedEngine, absent, engines_not_ready
from shared.engines.host import EngineHost
from tts_service.engines.base import TtsEngine
from tts_service.synthesis.choice import Choice, ReadyEngine, VoiceQuery, choose
from tts_service.text.language_tags import canonical, resolve
from tts_service.voices.aliases import MODEL_ALIASES, PERSONAS


class EngineSelection:
    """:func:`choose` over the engines of a host; what is missing is reported, never overlooked.

    Args:
        host: engines, loading or ready.
        order: their names in order of preference.
        built: engines by name as soon as they are built, ready or not: what one that failed to
            load could have done decides whether its absence is reported.
    """

    def __init__(
        self, host: EngineHost[TtsEngine], order: Sequence[str], built: Mapping[str, TtsEngine]
    ) -> None:
        self._host = host
        self._order = tuple(order)
        self._built = built

    def ready_engines(self) -> list[ReadyEngine]:
        """What the ready engines ready_engine, in the configured order.

        Raises:
            NotReady: none is.
        """
        return [ReadyEngine(e.spec, tuple(e.voices())) for e in self._host.engines()]

    def choices(self, query: VoiceQuery) -> list[Choice]:
        """The ready engines' ways to answer ``query``, best first.

        Raises:
            UnknownVoice, InvalidRequest: as :func:`choose`.
            NotReady: an engine that is not ready could, or may be able to.
        """
        try:
            return choose(query, self.ready_engines())
        except UnknownVoice as error:
            missing = absent(self._host.status())
            if any(entry["state"] == "loading" for entry in missing.values()):
                raise NotReady(
                    "the voice may belong to an engine that is still loading",
                    details={"engines": missing},
                ) from None
            if missing:
                error.details["not_ready"] = missing
            raise
        except InvalidRequest as error:
            for name, entry in absent(self._host.status()).items():
                if self._could(name, query):
                    reason = entry.get("reason", entry["state"])
                    raise NotReady(f"engine '{name}' could and is not ready: {reason}") from None
            language = query.language or query.default_language
            raise self._with_install_hint(error, language) from None

    def skipped(self, choice: Choice, query: VoiceQuery) -> list[SkippedEngine]:
        """The engines that are preferred to the chosen one and are not ready, with the reasons."""
        if query.voice is not None and query.voice.lower() not in PERSONAS and not query.reference:
            return []
        return engines_not_ready(
            self._host.status(), choice.engine, lambda name: self._could(name, query)
        )

    def engine_of_model(self, model: str | None) -> str | None:
        """The engine that ``model`` names; None where any will do.

        Raises:
            NotReady: it is configured and not ready.
            UnknownModel: there is no such engine here.
        """
        if model is None or model.lower() in MODEL_ALIASES:
            return None
        ready = [ready_engine.spec.name for ready_engine in self.ready_engines()]
        if model.lower() in ready:
            return model.lower()
        if model.lower() in self._order:
            raise NotReady(
                f"engine '{model.lower()}' is not ready", details={"engines": self._host.status()}
            )
        raise UnknownModel(
            f"no model called '{model[:64]}'",
            param="model",
            details={"available": [*MODEL_ALIASES, *ready]},
        )

    def _could(self, name: str, query: VoiceQuery) -> bool:
        """Whether the engine ``name`` would do for ``query`` by what it declares; True where it
        could not even be built and so declares nothing."""
        if query.engine not in (None, name):
            return False
        engine = self._built.get(name)
        if engine is None:
            return True
        if query.reference and engine.spec.cloning == "none":
            return False
        try:
            resolve(query.language or query.default_language, engine.spec.languages)
        except InvalidRequest:
            return False
        return True

    def _with_install_hint(self, error: InvalidRequest, language: str) -> InvalidRequest:
        """``error``, with the G2P to install where only that is missing."""
        if error.code != "unknown_language":
            return error
        for engine in self._host.engines():
            hint = engine.language_hints().get(canonical(language))
            if hint is not None:
                return InvalidRequest(
                    f"{error.message}: {hint}",
                    param=error.param,
                    code=error.code,
                    details=error.details,
                )
        return error
