"""Services that hang or die, and who must not notice."""

import http.client
import json
import os
import signal
import threading
import time
from contextlib import suppress

import pytest
import websocket

from tests.hostile.conftest import SERVICES


def test_a_hung_service_does_not_take_the_gateway_with_it(mesh):
    with mesh.frozen("agent"):
        before = mesh.threads("gateway")
        until = time.monotonic() + 6
        while time.monotonic() < until:
            # A probe that gives up, four times a second.
            with suppress(OSError, http.client.HTTPException):
                mesh.ask("/readyz", timeout=0.2)
            time.sleep(0.05)
        started = time.monotonic()
        status, answer = mesh.ask("/readyz", timeout=5)
        assert status == 503
        assert json.loads(answer)["upstreams"]["agent"] == "not_ready"
        assert time.monotonic() - started < 2.5
        models = json.loads(mesh.ask("/v1/models", timeout=5)[1])
        assert models["unavailable"] == ["agent"]
        assert mesh.threads("gateway") <= before + 8
        assert mesh.synthesize()
    mesh.wait_unharmed()


@pytest.mark.parametrize("service", ["tts", "stt", "agent"])
def test_a_killed_service_is_told_at_once_and_comes_back(mesh, service):
    wav = mesh.synthesize()
    answers: list[tuple[int, float]] = []

    def call(path, body, kind):
        started = time.monotonic()
        try:
            status, _ = mesh.ask(path, body, content_type=kind, timeout=30)
        except (OSError, http.client.HTTPException):
            status = 0  # cut in mid-answer: the connection was dropped
        answers.append((status, time.monotonic() - started))

    requests = {
        "tts": ("/synthesize", json.dumps({"text": "One. " * 50}).encode(), "application/json"),
        "stt": ("/transcribe", wav, "audio/wav"),
        "agent": ("/api/converse", wav, "audio/wav"),
    }
    for _ in range(3):
        calls = [threading.Thread(target=call, args=requests[service]) for _ in range(8)]
        for thread in calls:
            thread.start()
        os.kill(mesh.worker(service), signal.SIGKILL)
        for thread in calls:
            thread.join(40)
            assert not thread.is_alive(), "a caller hangs"
        mesh.wait_unharmed()
    assert {status for status, _ in answers} <= {0, 200, 502, 503}
    assert max(seconds for _, seconds in answers) < 15


@pytest.mark.parametrize("service", ["tts", "stt", "agent"])
def test_a_service_that_froze_for_a_while_goes_on(mesh, service):
    with mesh.frozen(service):
        for other in SERVICES:
            if other != service:
                assert mesh.ask("/livez", service=other, timeout=1)[0] == 200
    mesh.wait_unharmed()


def test_a_conversation_with_a_frozen_agent_ends(mesh):
    url = f"ws://127.0.0.1:{mesh.ports['gateway']}/ws"
    client = websocket.create_connection(url, timeout=60)
    with mesh.frozen("agent"):
        client.send_binary(b"anything")
        # The gateway pings the agent, and gives it up where no answer comes.
        code, data = client.recv_data()
        assert code == websocket.ABNF.OPCODE_TEXT
        assert json.loads(data)["error"]["code"] == "upstream_unavailable"
        code, data = client.recv_data()
        assert code == websocket.ABNF.OPCODE_CLOSE
        assert int.from_bytes(data[:2], "big") == 1011
    client.shutdown()
    mesh.wait_unharmed()
