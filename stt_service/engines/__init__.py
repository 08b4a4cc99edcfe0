"""stt_service.engines package of the voice mesh."""
