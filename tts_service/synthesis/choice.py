"""Which voice of which engine answers a request: pure functions over declared capabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.core.errors import InvalidRequest, UnknownVoice
from shared.engines.registry import EngineSpec
from tts_service.engines.base import EngineVoice, Gender
from tts_service.synthesis.languages import base, resolve
from tts_service.voices.aliases import PERSONAS, Persona


@dataclass(frozen=True, slots=True)
class Offer:
    """An engine that is ready, as data."""

    spec: EngineSpec
    voices: tuple[EngineVoice, ...]

    @property
    def tags(self) -> list[str]:
        """Languages it speaks, those of its first voices first."""
        ordered = [v.language for v in self.voices if v.language in self.spec.languages]
        return list(dict.fromkeys(ordered)) + sorted(self.spec.languages - set(ordered))


@dataclass(frozen=True, slots=True)
class Wish:
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


def voice_ids(offers: Sequence[Offer]) -> list[str]:
    """Every name a request may give for a voice: built-in ones, then OpenAI's."""
    return [voice.id for offer in offers for voice in offer.voices] + sorted(PERSONAS)


def choose(wish: Wish, offers: Sequence[Offer]) -> list[Choice]:
    """Ways to answer ``wish``: the choice, then its fallbacks, at most one per engine.

    The voice decides the engine where it is a built-in one; otherwise the order of ``offers``
    does among those that speak the language. A fallback speaks the same language with its own
    voice, of the same gender where it has one.

    Args:
        wish: what is asked for.
        offers: engines that are ready, in order of preference; at least one.

    Raises:
        UnknownVoice: no engine here has the voice.
        InvalidRequest: the language is not spoken here, or not by this voice or engine, or no
            engine here can follow a recording.
    """
    allowed = [o for o in offers if wish.engine in (None, o.spec.name)]
    if wish.reference:
        allowed = [o for o in allowed if o.spec.cloning != "none"]
        if not allowed:
            raise InvalidRequest(
                "no engine that is ready here can follow a voice sample", param="voice_sample"
            )
    if wish.voice is None or wish.reference:
        return _by_language(wish.language or wish.default_language, allowed, None)
    if found := _find(wish.voice, allowed):
        return _by_voice(found, wish, allowed)
    persona = PERSONAS.get(wish.voice.lower())
    if persona is None:
        raise UnknownVoice(
            f"no voice called '{wish.voice[:64]}'",
            param="voice",
            details={"available": voice_ids(offers)},
        )
    return _by_persona(persona, wish, allowed)


def _find(name: str, offers: Sequence[Offer]) -> tuple[Offer, EngineVoice] | None:
    engine, _, bare = name.lower().rpartition("/")
    for offer in offers:
        if engine in ("", offer.spec.name):
            for voice in offer.voices:
                if voice.id.lower() == bare:
                    return offer, voice
    return None


def _by_voice(
    found: tuple[Offer, EngineVoice], wish: Wish, offers: Sequence[Offer]
) -> list[Choice]:
    offer, voice = found
    language = voice.language
    if wish.language is not None:
        tags = _resolve(wish.language, offer, offers, voice)
        language = voice.language if voice.language in tags else tags[0]
    others = [o for o in offers if o is not offer]
    return [
        Choice(offer.spec.name, voice, language),
        *_fallbacks(language, others, voice.gender),
    ]


def _by_persona(persona: Persona, wish: Wish, offers: Sequence[Offer]) -> list[Choice]:
    language = wish.language or wish.default_language
    named = _find(persona.voice, offers)
    if named is not None and base(language) == base(named[1].language):
        pinned = Wish(wish.default_language, named[1].language, named[1].id)
        return _by_voice(named, pinned, offers)
    return _by_language(language, offers, persona.gender)


def _by_language(language: str, offers: Sequence[Offer], gender: Gender | None) -> list[Choice]:
    wanted = resolve(language, [tag for offer in offers for tag in offer.tags])
    choices = _fallbacks(language, offers, gender)
    # An engine with the very accent goes before a preferred one without it.
    return sorted(choices, key=lambda choice: choice.language not in wanted)


def _fallbacks(language: str, offers: Sequence[Offer], gender: Gender | None) -> list[Choice]:
    choices = []
    for offer in offers:
        try:
            tags = resolve(language, offer.tags)
        except InvalidRequest:
            continue
        native = [(v, tag) for tag in tags for v in offer.voices if v.language == tag]
        able = [(v, tag) for tag in tags for v in offer.voices if tag in v.languages]
        for candidates in (native, able):
            if candidates:
                same = [found for found in candidates if found[0].gender == gender]
                voice, spoken = (same or candidates)[0]
                choices.append(Choice(offer.spec.name, voice, spoken))
                break
    return choices


def _resolve(language: str, own: Offer, offers: Sequence[Offer], voice: EngineVoice) -> list[str]:
    """The tags of ``voice`` that answer ``language``, in the order of its engine."""
    tags = [tag for tag in own.tags if tag in voice.languages]
    try:
        return resolve(language, tags)
    except InvalidRequest:
        able = [v.id for o in offers for v in o.voices if base(v.language) == base(language)]
        raise InvalidRequest(
            f"voice '{voice.id}' does not speak '{language[:16]}'",
            param="language",
            code="unknown_language" if not able else "voice_language_mismatch",
            details={"available": sorted(tags), "voices": able},
        ) from None
