"""A gateway before little services on loopback that answer what a test tells them."""

from __future__ import annotations

import json
import logging

import pytest

from gateway.app import create_server
from gateway.settings import GatewaySettings
from tests.asgi_server import AsgiServer
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
def make_gateway(service, tmp_path):
    """Gateways on real ports, before ``service`` where the settings name no other."""
    running = []
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level

    def make(**settings):
        urls = {"tts_url": service.url, "stt_url": service.url, "agent_url": service.url}
        app = create_server(
            GatewaySettings(_env_file=None, voicemesh_home=tmp_path, **urls | settings)
        )
        running.append(AsgiServer(app))
        return running[-1]

    yield make
    for server in running:
        server.stop()
    for server in running:
        server.close()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


@pytest.fixture
def make_client(make_gateway):
    return lambda **settings: make_gateway(**settings).client()
