"""The catalogues of voices and models, from what the ready engines declare."""

from __future__ import annotations

from collections.abc import Sequence

from shared.wire.speech import Model, ModelList, Voice, VoiceList
from tts_service.synthesis.choice import Offer
from tts_service.voices.aliases import MODEL_ALIASES, aliases_of


def voice_list(offers: Sequence[Offer], recordings: Sequence[str]) -> VoiceList:
    """Built-in voices in the order of their engines, then the recordings of the voices folder.

    A recording is listed under the engine that would follow it, as long as one can.
    """
    voices = [
        Voice(
            id=voice.id,
            name=f"{offer.spec.name}/{voice.id}",
            language=voice.language,
            languages=sorted(voice.languages),
            gender=voice.gender,
            engine=offer.spec.name,
            licence=offer.spec.licence,
            aliases=aliases_of(voice.id),
            parameters=sorted(offer.spec.parameters),
        )
        for offer in offers
        for voice in offer.voices
    ]
    follower = next((offer for offer in offers if offer.spec.cloning != "none"), None)
    if follower is not None:
        voices.extend(
            Voice(
                id=name,
                name=f"{follower.spec.cloning} of {name}",
                language=follower.tags[0],
                languages=sorted(follower.spec.languages),
                engine=follower.spec.name,
                licence="the recording's own",
                parameters=sorted(follower.spec.parameters),
            )
            for name in recordings
        )
    return VoiceList(voices=voices)


def model_list(offers: Sequence[Offer]) -> ModelList:
    """One entry per engine, and OpenAI's model names as names of the first one."""
    entries = [_model(offer.spec.name, offer) for offer in offers]
    return ModelList(data=entries + [_model(name, offers[0]) for name in MODEL_ALIASES])


def _model(name: str, offer: Offer) -> Model:
    spec = offer.spec
    return Model(
        id=name,
        owned_by="voicemesh",
        task="speech",
        engine=spec.name,
        licence=spec.licence,
        commercial_use=spec.commercial_use,
        languages=sorted(spec.languages),
    )
