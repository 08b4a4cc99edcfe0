"""The gateway as a real process: what streams, what breaks, what closes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests
import websocket
from flask import Flask

from shared.core.settings import CommonSettings
from shared.http.server.app import build_app
from shared.http.server.asgi.flask_service import shell_around, ws_route
from tests.asgi_server import AsgiServer
from tests.unit.gateway.conftest import DEAD, Service

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = "t0ken-of-a-browser"
"""A token that comes in a query."""


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


@pytest.fixture
def start(tmp_path):
    running = []
    log = (tmp_path / "gateway.log").open("wb")

    def begin(**environment):
        port = free_port()
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "-c", "gateway/gunicorn.conf.py"),
                "gateway.app:create_server()",
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "PORT": str(port),
                "VOICEMESH_HOME": str(tmp_path),
                "API_TOKENS": "t",
                "TTS_URL": DEAD,
                "STT_URL": DEAD,
                "AGENT_URL": DEAD,
                **environment,
            },
            stderr=log,
        )
        running.append(process)
        for _ in range(200):
            try:
                with requests.get(f"http://127.0.0.1:{port}/livez", timeout=5):
                    return port
            except requests.ConnectionError:
                time.sleep(0.05)
        pytest.fail("the gateway did not start")

    yield begin
    for process in running:
        process.terminate()
        process.wait(30)
    log.close()


@pytest.fixture
def service():
    made = Service()
    yield made
    made.close()


def chunk(handler, data):
    handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
    handler.wfile.flush()


def begin_chunked(handler):
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()


def raw_request(port):
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(
        b"POST /synthesize HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )
    return client


def read_until(client, wanted):
    got = b""
    while wanted not in got:
        piece = client.recv(4096)
        if not piece:
            break
        got += piece
    return got


def test_audio_is_passed_on_while_the_service_still_makes_more(start, service):
    go_on = threading.Event()

    def slow(handler):
        begin_chunked(handler)
        chunk(handler, b"first piece")
        assert go_on.wait(10), "the first piece never arrived"
        chunk(handler, b"second piece")
        chunk(handler, b"")

    service.answers["/synthesize"] = slow
    port = start(TTS_URL=service.url)
    with raw_request(port) as client:
        assert b"first piece" in read_until(client, b"first piece")
        assert 'voice_streams_active{kind="http"} 1.0' in metrics(port)
        go_on.set()
        assert read_until(client, b"\r\n0\r\n\r\n").endswith(b"second piece\r\n0\r\n\r\n")


def metrics(port):
    return requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text


def test_a_services_metrics_come_through_the_gateway(start, ws_service):
    url, _ = ws_service
    requests.get(f"{url}/nowhere", timeout=10)
    port = start(AGENT_URL=url)
    text = metrics(port)
    where = f'instance="{url.removeprefix("http://")}"'
    made = [line for line in text.splitlines() if line.startswith("voice_requests_total{")]
    assert any(where in line and 'service="agent"' in line for line in made)
    assert f'voice_upstream_metrics_up{{{where},service="agent"}} 1.0' in text
    assert 'voice_upstream_metrics_up{instance="127.0.0.1:9",service="tts"} 0.0' in text


def test_an_answer_that_breaks_off_drops_the_connection(start, service):
    heard = threading.Event()

    def broken(handler):
        begin_chunked(handler)
        chunk(handler, b"half an answer")
        # A break before anything was passed on would be an error with a status.
        assert heard.wait(10)
        handler.close_connection = True

    service.answers["/synthesize"] = broken
    with raw_request(start(TTS_URL=service.url)) as client:
        got = read_until(client, b"half an answer")
        heard.set()
        try:
            while piece := client.recv(4096):
                got += piece
        except ConnectionResetError:
            pass
        head, _, body = got.partition(b"\r\n\r\n")
        assert b"200 OK" in head
        assert body.lower() == b"e\r\nhalf an answer\r\n", "no last chunk"


def test_a_client_that_leaves_frees_the_service(start, service):
    left = threading.Event()

    def endless(handler):
        begin_chunked(handler)
        try:
            for _ in range(10_000):
                chunk(handler, b"x" * 20_000)
        except OSError:
            left.set()
            handler.close_connection = True

    service.answers["/synthesize"] = endless
    with raw_request(start(TTS_URL=service.url)) as client:
        read_until(client, b"xxxx")
    assert left.wait(20)


@pytest.fixture
def ws_service():
    settings = CommonSettings(_env_file=None, api_tokens=f"t,{BROWSERS}")
    app: Flask = build_app("upstream", settings, readiness=lambda: (True, {}))

    @ws_route(app, "/ws", summary="Echo")
    def echo(session):
        while (message := session.receive()) is not None:
            if message == "bye":
                session.close(4321, "told to")
                return
            session.send(message)
        codes.append(session.close_code)

    codes: list[int] = []
    server = AsgiServer(shell_around(app, settings))
    yield server.url, codes
    server.close()


def connect(port, path="/ws", **kwargs):
    kwargs.setdefault("header", ["Authorization: Bearer t"])
    return websocket.create_connection(f"ws://127.0.0.1:{port}{path}", timeout=10, **kwargs)


def test_sockets_pass_both_ways_with_their_close_codes(start, ws_service):
    url, codes = ws_service
    port = start(AGENT_URL=url)
    client = connect(port)
    client.send("text")
    assert client.recv() == "text"
    client.send_binary(b"\x00" * 300_000)
    assert len(client.recv()) == 300_000
    client.send("bye")
    opcode, data = client.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    assert (int.from_bytes(data[:2], "big"), data[2:]) == (4321, b"told to")
    client.shutdown()
    other = connect(port)
    other.send("x")
    other.recv()
    other.send_close(4000)
    deadline = time.monotonic() + 10
    while not codes and time.monotonic() < deadline:
        time.sleep(0.02)
    assert codes == [4000]
    other.shutdown()


def test_a_service_that_is_away_closes_the_socket_with_a_reason(start):
    client = connect(start())
    assert json.loads(client.recv())["error"]["code"] == "upstream_unavailable"
    opcode, data = client.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    assert int.from_bytes(data[:2], "big") == 1011
    client.shutdown()


def test_sockets_need_a_token_too(start):
    port = start()
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        connect(port, header=[])
    assert caught.value.status_code == 401
    client = connect(port, header=[], subprotocols=["voicemesh", "openai-insecure-api-key.t"])
    client.shutdown()


def test_a_token_in_a_query_is_not_in_the_log(start, ws_service, tmp_path):
    url, _ = ws_service
    port = start(AGENT_URL=url, API_TOKENS=f"t,{BROWSERS}")
    client = connect(port, header=[], path=f"/ws?token={BROWSERS}")
    client.send("x")
    assert client.recv() == "x"
    client.close()
    with pytest.raises(websocket.WebSocketBadStatusException):
        connect(port, header=[], path="/ws?token=wr0ng-guess")
    log = tmp_path / "gateway.log"
    deadline = time.monotonic() + 10
    while b"WEBSOCKET /ws 101" not in log.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert b"WEBSOCKET /ws 101" in log.read_bytes()
    assert BROWSERS.encode() not in log.read_bytes()
    assert b"wr0ng-guess" not in log.read_bytes()
