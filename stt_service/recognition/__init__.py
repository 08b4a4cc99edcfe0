"""Speech recognition without HTTP: engine selection, transcription and fallback."""
