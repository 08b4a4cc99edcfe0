"""Voice matching: the mix of built-in voices that is nearest to a recording. Not cloning."""

from tts_service.voices.matching.matcher import MatchedVoice, VoiceMatcher

__all__ = ["MatchedVoice", "VoiceMatcher"]
