"""Gunicorn configuration of the speech synthesis service."""

from shared.http.server.gunicorn_base import serve
from tts_service.settings import TtsSettings

_settings = TtsSettings()
globals().update(serve(_settings, _settings.tts_port))
