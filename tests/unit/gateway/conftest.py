"""A gateway before little services on loopback that answer what a test tells them."""

from __future__ import annotations

import json
import logging

import pytest

from gateway.app import create_app
from gateway.settings import GatewaySettings
from tests.little_server import LittleServer

DEAD = "http://127.0.0.1:9"


class Service(LittleServer):
    """Remembers (method, path, headers, body); answers by path, else 404."""

    def __init__(self):
        self.seen = []
        self.answers = {}
        super().__init__(self._answer)

    def _answer(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        self.seen.append((handler.command, handler.path, dict(handler.headers), body))
        answer = self.answers.get(handler.path.split("?")[0])
        if answer is None:
            send(handler, {"error": {"message": "no", "code": "not_found"}}, 404)
        elif callable(answer):
            answer(handler)
        else:
            send(handler, answer)


def send(handler, data, status=200, headers=()):
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.send_header("Connection", "close")
    for name, value in headers:
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
    handler.close_connection = True


@pytest.fixture
def service():
    running = Service()
    running.answers = {
        "/readyz": {"status": "ready"},
        "/": {"config": {"voice_sample": None, "language": "es"}},
        "/v1/models": {"data": [{"id": "m"}]},
    }
    yield running
    running.close()


@pytest.fixture
def make_client(service, tmp_path):
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level

    def make(**settings):
        urls = {"tts_url": service.url, "stt_url": service.url, "agent_url": service.url}
        app = create_app(
            GatewaySettings(_env_file=None, voicemesh_home=tmp_path, **urls | settings)
        )
        return app.test_client()

    yield make
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
