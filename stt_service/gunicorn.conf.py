"""Gunicorn configuration of the speech recognition service.

Usage: ``gunicorn -c stt_service/gunicorn.conf.py 'stt_service.app:create_server()'``.
"""

from shared.http.server.gunicorn_base import serve
from stt_service.settings import SttSettings

_settings = SttSettings()
globals().update(serve(_settings, _settings.stt_port))
