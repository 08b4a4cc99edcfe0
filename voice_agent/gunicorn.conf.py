"""Gunicorn configuration of the voice agent.

Usage: ``gunicorn -c voice_agent/gunicorn.conf.py 'voice_agent.app:create_server()'``.
"""

from shared.http.server.gunicorn_base import serve
from voice_agent.settings import AgentSettings

_settings = AgentSettings()
globals().update(serve(_settings, _settings.agent_port))
