"""Lists of the voices and models of the ready engines."""

from __future__ import annotations

from collections.abc import Sequence

from shared.wire.speech import Model, ModelList, Voice, VoiceList
from tts_service.synthesis.engine_choice import ReadyEngine
from tts_service.voices.aliases import MODEL_ALIASES, aliases_of


def voice_list(engines: Sequence[ReadyEngine], recordings: Sequence[str]) -> VoiceList:
    """List the built-in voices in engine order, then the recordings of the voices folder.

    A recording is listed under the first engine that can use it; without such an engine it is
    omitted.
    """
    voices = [
        Voice(
            id=voice.id,
            name=f"{engine.spec.name}/{voice.id}",
            language=voice.language,
            languages=sorted(voice.languages),
            gender=voice.gender,
            engine=engine.spec.name,
            licence=engine.spec.licence,
            aliases=aliases_of(voice.id),
            parameters=sorted(engine.spec.parameters),
        )
        for engine in engines
        for voice in engine.voices
    ]
    follower = next((engine for engine in engines if engine.spec.cloning != "none"), None)
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


def model_list(engines: Sequence[ReadyEngine]) -> ModelList:
    """List one entry per engine, and OpenAI's model names as aliases of the first engine."""
    entries = [_model(engine.spec.name, engine) for engine in engines]
    return ModelList(data=entries + [_model(name, engines[0]) for name in MODEL_ALIASES])


def _model(name: str, engine: ReadyEngine) -> Model:
    spec = engine.spec
    return Model(
        id=name,
        owned_by="voicemesh",
        task="speech",
        engine=spec.name,
        licence=spec.licence,
        commercial_use=spec.commercial_use,
        languages=sorted(spec.languages),
    )
