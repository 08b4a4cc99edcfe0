"""Voice matching: find the mix of built-in voices nearest to a recording (not voice cloning)."""

from tts_service.voices.matching.matcher import MatchedVoice, VoiceMatcher

__all__ = ["MatchedVoice", "VoiceMatcher"]
