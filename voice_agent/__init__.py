"""voice_agent package of the voice mesh."""
