"""Choose the voice and the engine that answer a request, and the engines to fall back on.

:func:`choose` decides by declared capabilities alone. :class:`VoiceChooser` applies it to the
engines of a host and reports those that are loading or failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.core.errors import InvalidRequest, NotReady, UnknownModel, UnknownVoice
from shared.engines.engine_host import EngineHost
from shared.engines.fallback import SkippedEngine, absent, engines_not_ready
from shared.engines.registry import EngineSpec
from tts_service.engines.base import EngineVoice, Gender, TtsEngine
from tts_service.text.language_tags import base, canonical, resolve
from tts_service.voices.aliases import MODEL_ALIASES, PERSONAS, Persona


@dataclass(frozen=True, slots=True)
class ReadyEngine:
    """What a ready engine declares: its spec and its voices."""

    spec: EngineSpec
    voices: tuple[EngineVoice, ...]

    @property
    def tags(self) -> list[str]:
        """Languages the engine speaks, those of its first voices first."""
        ordered = [v.language for v in self.voices if v.language in self.spec.languages]
        return list(dict.fromkeys(ordered)) + sorted(self.spec.languages - set(ordered))


@dataclass(frozen=True, slots=True)
class VoiceQuery:
    """The voice, language and engine that a request asks for.

    Attributes:
        default_language: used where neither the request nor its voice names a language.
        language: tag, or None.
        voice: a built-in voice (``id`` or ``engine/id``), an OpenAI name, or None.
        engine: the only engine that may answer, or None.
        reference: the voice follows a recording.
    """

    default_language: str
    language: str | None = None
    voice: str | None = None
    engine: str | None = None
    reference: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to answer: an engine, one of its voices, and a language tag of the engine."""

    engine: str
    voice: EngineVoice
    language: str


def voice_ids(candidates: Sequence[ReadyEngine]) -> list[str]:
    """Return every name a request may give for a voice: built-in ones, then OpenAI's."""
    return [voice.id for candidate in candidates for voice in candidate.voices] + sorted(PERSONAS)


def choose(query: VoiceQuery, candidates: Sequence[ReadyEngine]) -> list[Choice]:
    """Return the ways to answer ``query``: the choice, then its fallbacks, one per engine at most.

    A built-in voice decides the engine. Otherwise the first of ``candidates`` that speaks the
    language answers. A fallback speaks the same language with a voice of its own, of the same
    gender where it has one.

    Args:
        query: voice, language and engine asked for.
        candidates: engines that are ready, in order of preference; at least one.

    Raises:
        UnknownVoice: no engine here has the voice.
        InvalidRequest: no engine here speaks the language, or this voice or engine does not, or
            no engine here can follow a recording.
    """
    allowed = [o for o in candidates if query.engine in (None, o.spec.name)]
    if query.reference:
        allowed = [o for o in allowed if o.spec.cloning != "none"]
        if not allowed:
            raise InvalidRequest(
                "no engine that is ready here can follow a voice sample", param="voice_sample"
            )
    if query.voice is None or query.reference:
        return _by_language(query.language or query.default_language, allowed, None)
    if found := _find(query.voice, allowed):
        return _by_voice(found, query, allowed)
    persona = PERSONAS.get(query.voice.lower())
    if persona is None:
        raise UnknownVoice(
            f"no voice called '{query.voice[:64]}'",
            param="voice",
            details={"available": voice_ids(candidates)},
        )
    return _by_persona(persona, query, allowed)


def _find(name: str, candidates: Sequence[ReadyEngine]) -> tuple[ReadyEngine, EngineVoice] | None:
    engine, _, bare = name.lower().rpartition("/")
    for candidate in candidates:
        if engine in ("", candidate.spec.name):
            for voice in candidate.voices:
                if voice.id.lower() == bare:
                    return candidate, voice
    return None


def _by_voice(
    found: tuple[ReadyEngine, EngineVoice], query: VoiceQuery, candidates: Sequence[ReadyEngine]
) -> list[Choice]:
    candidate, voice = found
    language = voice.language
    if query.language is not None:
        tags = _resolve(query.language, candidate, candidates, voice)
        language = voice.language if voice.language in tags else tags[0]
    others = [o for o in candidates if o is not candidate]
    return [
        Choice(candidate.spec.name, voice, language),
        *_fallbacks(language, others, voice.gender),
    ]


def _by_persona(
    persona: Persona, query: VoiceQuery, candidates: Sequence[ReadyEngine]
) -> list[Choice]:
    language = query.language or query.default_language
    named = _find(persona.voice, candidates)
    if named is not None and base(language) == base(named[1].language):
        pinned = VoiceQuery(query.default_language, named[1].language, named[1].id)
        return _by_voice(named, pinned, candidates)
    return _by_language(language, candidates, persona.gender)


def _by_language(
    language: str, candidates: Sequence[ReadyEngine], gender: Gender | None
) -> list[Choice]:
    wanted = resolve(language, [tag for candidate in candidates for tag in candidate.tags])
    choices = _fallbacks(language, candidates, gender)
    # An engine with the very accent goes before a preferred one without it.
    return sorted(choices, key=lambda choice: choice.language not in wanted)


def _fallbacks(
    language: str, candidates: Sequence[ReadyEngine], gender: Gender | None
) -> list[Choice]:
    choices = []
    for candidate in candidates:
        try:
            tags = resolve(language, candidate.tags)
        except InvalidRequest:
            continue
        native = [(v, tag) for tag in tags for v in candidate.voices if v.language == tag]
        able = [(v, tag) for tag in tags for v in candidate.voices if tag in v.languages]
        for voices in (native, able):
            if voices:
                same = [found for found in voices if found[0].gender == gender]
                voice, spoken = (same or voices)[0]
                choices.append(Choice(candidate.spec.name, voice, spoken))
                break
    return choices


def _resolve(
    language: str, own: ReadyEngine, candidates: Sequence[ReadyEngine], voice: EngineVoice
) -> list[str]:
    """Return the tags of ``voice`` that answer ``language``, in the order of its engine."""
    tags = [tag for tag in own.tags if tag in voice.languages]
    try:
        return resolve(language, tags)
    except InvalidRequest:
        able = [v.id for o in candidates for v in o.voices if base(v.language) == base(language)]
        raise InvalidRequest(
            f"voice '{voice.id}' does not speak '{language[:16]}'",
            param="language",
            code="unknown_language" if not able else "voice_language_mismatch",
            details={"available": sorted(tags), "voices": able},
        ) from None


class VoiceChooser:
    """Applies :func:`choose` to the engines of a host.

    Args:
        host: engines, loading or ready.
        order: their names in order of preference.
        built: engines by name as soon as they are built, ready or not. What an engine that failed
            to load declares decides whether its absence is reported.
    """

    def __init__(
        self, host: EngineHost[TtsEngine], order: Sequence[str], built: Mapping[str, TtsEngine]
    ) -> None:
        self._host = host
        self._order = tuple(order)
        self._built = built

    def ready_engines(self) -> list[ReadyEngine]:
        """Return the ready engines as data, in the configured order.

        Raises:
            NotReady: no engine is ready.
        """
        return [ReadyEngine(e.spec, tuple(e.voices())) for e in self._host.engines()]

    def choices(self, query: VoiceQuery) -> list[Choice]:
        """Return the ready engines' ways to answer ``query``, best first.

        Raises:
            UnknownVoice, InvalidRequest: as :func:`choose`.
            NotReady: an engine that is not ready could answer, or may be able to.
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
        """Return the engines preferred to the chosen one that are not ready, with the reasons."""
        if query.voice is not None and query.voice.lower() not in PERSONAS and not query.reference:
            return []
        return engines_not_ready(
            self._host.status(), choice.engine, lambda name: self._could(name, query)
        )

    def engine_of_model(self, model: str | None) -> str | None:
        """Return the engine that ``model`` names; None where any engine will do.

        Raises:
            NotReady: the engine is configured and not ready.
            UnknownModel: there is no such engine here.
        """
        if model is None or model.lower() in MODEL_ALIASES:
            return None
        ready = [engine.spec.name for engine in self.ready_engines()]
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
        """Return whether engine ``name`` declares what ``query`` needs.

        True where the engine could not be built, because then it declares nothing.
        """
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
        """Return ``error`` with the G2P to install, where only that is missing."""
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
