"""A gateway before little services on loopback that answer what a test tells them."""

from __future__ import annotations

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.app import create_app
from gateway.settings import GatewaySettings

DEAD = "http://127.0.0.1:9"


class Service:
    """Remembers (method, path, headers, body); answers by path, else 404."""

    def __init__(self):
        self.seen = []
        self.answers = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.seen.append((self.command, self.path, dict(self.headers), body))
                answer = outer.answers.get(self.path.split("?")[0])
                if answer is None:
                    send(self, {"error": {"message": "no", "code": "not_found"}}, 404)
                elif callable(answer):
                    answer(self)
                else:
                    send(self, answer)

            do_GET = do_POST = _serve  # noqa: N815 - names that http.server looks for

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def close(self):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


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
