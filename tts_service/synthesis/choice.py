"""Which voice of which engine answers a request: pure functions over declared capabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.core.errors import InvalidRequest, UnknownVoice
from shared.engines.registry import EngineSpec
from tts_service.engines.base import EngineVoice, Gender
from tts_service.text.language_tags import base, resolve
from tts_service.voices.aliases import PERSONAS, Persona


@dataclass(frozen=True, slots=True)
class ReadyEngine:
    """An engine that is ready, as data."""

    spec: EngineSpec
    voices: tuple[EngineVoice, ...]

    @property
    def tags(self) -> list[str]:
        """Languages it speaks, those of its first voices first."""
        ordered = [v.language for v in self.voices if v.language in self.spec.languages]
        return list(dict.fromkeys(ordered)) + sorted(self.spec.languages - set(ordered))


@dataclass(frozen=True, slots=True)
class VoiceQuery:
    """What a request asks for.

    Attributes:
        default_language: spoken where neither the request nor its voice names a language.
        language: tag, or None.
        voice: a built-in voice (``id`` or ``engine/id``), an OpenAI name, or None.
        engine: only this engine will do.
        reference: the voice shall follow a recording.
    """

    default_language: str
    language: str | None = None
    voice: str | None = None
    engine: str | None = None
    reference: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to answer."""

    engine: str
    voice: EngineVoice
    language: str


def voice_ids(candidates: Sequence[ReadyEngine]) -> list[str]:
    """Every name a request may give for a voice: built-in ones, then OpenAI's."""
    return [voice.id for candidate in candidates for voice in candidate.voices] + sorted(PERSONAS)


def choose(query: VoiceQuery, candidates: Sequence[ReadyEngine]) -> list[Choice]:
    """Ways to answer ``query``: the choice, then its fallbacks, at most one per engine.

    The voice decides the engine where it is a built-in one; otherwise the order of ``candidates``
    does among those that speak the language. A fallback speaks the same language with its own
    voice, of the same gender where it has one.

    Args:
        query: what is asked for.
        candidates: engines that are ready, in order of preference; at least one.

    Raises:
        UnknownVoice: no engine here has the voice.
        InvalidRequest: the language is not spoken here, or not by this voice or engine, or no
            engine here can follow a recording.
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
    """The tags of ``voice`` that answer ``language``, in the order of its engine."""
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
