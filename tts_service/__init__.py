"""tts_service package of the voice mesh."""
