"""Request and response formats of the mesh, as pydantic models."""

from shared.wire.speech import Emotion, Language, VoiceParameters, VoiceRequest

__all__ = ["Emotion", "Language", "VoiceParameters", "VoiceRequest"]
