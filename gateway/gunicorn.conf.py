"""Gunicorn settings: gunicorn -c gateway/gunicorn.conf.py 'gateway.app:create_server()'."""

from gateway.settings import GatewaySettings
from shared.http.server.gunicorn_base import serve

_settings = GatewaySettings()
globals().update(serve(_settings, _settings.port))
