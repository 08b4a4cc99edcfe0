"""Containers that are killed or stopped, and what the callers of the mesh got."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest
import requests
import websocket

from tests.compose.callers import check_error
from tests.compose.conftest import say
from tests.compose.sounds import wav_seconds
from tests.compose.test_dialects import TEXT, connected

LONG = (
    "En un lugar de la Mancha, de cuyo nombre no quiero acordarme, no ha mucho tiempo que vivía un "
    "hidalgo de los de lanza en astillero, adarga antigua, rocín flaco y galgo corredor. "
    "Una olla de algo más vaca que carnero, salpicón las más noches, y algún palomino de "
    "añadidura los domingos, consumían las tres partes de su hacienda."
)
"""Some twenty seconds of speech of the slower engine: time enough to break something."""
DEATHS = {
    "tts": ("/synthesize", {"json": {"text": TEXT}}),
    "stt": ("/transcribe", {"files": {"audio_file": ("q.wav", b"RIFF")}}),
    "voice-agent": ("/api/converse", {"files": {"audio_file": ("q.wav", b"RIFF")}}),
}
UPSTREAM = {"tts": "tts", "stt": "stt", "voice-agent": "agent"}


def speaking(mesh):
    """The answer to a text that takes a while, as it comes; to be closed."""
    return requests.post(
        f"{mesh.url}/synthesize", json={"text": LONG, "language": "es"}, stream=True, timeout=240
    )


def is_anybody_there(port):
    """Whether a request to a port of loopback gets as much as a byte."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
            return connection.recv(1) != b""
    except OSError:
        return False


@pytest.mark.parametrize("service", DEATHS)
def test_a_dead_service_is_named_and_the_others_work_on(mesh, service, request):
    mesh.docker("kill", mesh.container(service))
    path, asked = DEATHS[service]
    got = [check_error(requests.post(f"{mesh.url}{path}", timeout=60, **asked)) for _ in range(5)]
    say(request, f"{service} killed: {path} answers {got[0]}")
    assert set(got) == {"502 upstream_unavailable"}
    ready = requests.get(f"{mesh.url}/readyz", timeout=60)
    assert ready.status_code == 503
    assert ready.json()["upstreams"] == {
        name: "not_ready" if name == UPSTREAM[service] else "ready" for name in UPSTREAM.values()
    }
    assert requests.get(f"{mesh.url}/v1/models", timeout=60).json()["unavailable"] == [
        UPSTREAM[service]
    ]
    if service != "tts":
        spoken = requests.post(f"{mesh.url}/synthesize", json={"text": TEXT}, timeout=60)
        assert wav_seconds(spoken.content) > 1
    seconds = mesh.up()
    say(request, f"{service} started again: whole after {seconds:.1f} s")


def test_a_socket_of_a_dead_service_says_so_and_closes(mesh):
    mesh.docker("kill", mesh.container("voice-agent"))
    with connected(mesh, "/ws") as talk:
        assert json.loads(talk.recv())["error"]["code"] == "upstream_unavailable"
        opcode, payload = talk.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    assert int.from_bytes(payload[:2], "big") == 1011


def test_speech_that_is_cut_off_does_not_look_whole(mesh):
    with speaking(mesh) as answer:
        pieces = answer.iter_content(None)
        next(pieces)
        mesh.docker("kill", mesh.container("tts"))
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            list(pieces)


def test_a_socket_that_is_cut_off_ends_with_an_error(mesh):
    seen = []
    with connected(mesh, "/ws/tts") as talk:
        talk.send(json.dumps({"text": LONG, "language": "es"}))
        while not isinstance(talk.recv(), bytes):
            pass
        mesh.docker("kill", mesh.container("tts"))
        opcode = None
        while opcode != websocket.ABNF.OPCODE_CLOSE:
            opcode, payload = talk.recv_data()
            if opcode == websocket.ABNF.OPCODE_TEXT:
                seen.append(json.loads(payload))
    assert "error" in seen[-1]
    assert int.from_bytes(payload[:2], "big") == 1011


def test_without_the_gateway_nothing_answers_and_it_comes_back(mesh):
    mesh.docker("kill", mesh.container("gateway"))
    for port in (mesh.gateway, mesh.tts, mesh.stt):
        assert not is_anybody_there(port)
    mesh.up()
    assert requests.get(f"{mesh.url}/readyz", timeout=30).status_code == 200


def test_a_worker_that_crashes_is_replaced_inside_its_container(mesh):
    container = mesh.container("tts")
    before = mesh.inspect(container)["State"]["StartedAt"]
    mesh.python(
        container,
        "import os, pathlib, signal\n"
        "def parent(pid): return int(pathlib.Path(f'/proc/{pid}/stat').read_text()"
        ".rpartition(')')[2].split()[1])\n"
        "pids = [int(p.name) for p in pathlib.Path('/proc').glob('[0-9]*')]\n"
        "master = next(p for p in sorted(pids) if parent(p) == 1)\n"
        "os.kill(next(p for p in pids if parent(p) == master), signal.SIGKILL)",
    )
    # The gateway uses a verdict on readiness again for a second.
    time.sleep(1.5)
    mesh.wait_ready()
    spoken = requests.post(f"{mesh.url}/synthesize", json={"text": TEXT}, timeout=120)
    assert wav_seconds(spoken.content) > 1
    assert mesh.inspect(mesh.container("tts"))["State"]["StartedAt"] == before


def test_a_stop_lets_what_is_being_spoken_end(mesh, request):
    container = mesh.container("tts")
    with speaking(mesh) as answer:
        pieces = answer.iter_content(None)
        came = next(pieces)
        stopping = threading.Thread(target=mesh.compose, args=("stop", "tts"))
        stopping.start()
        came += b"".join(pieces)
        stopping.join()
    assert mesh.inspect(container)["State"]["ExitCode"] == 0, "killed, or ended badly"
    mesh.up()
    with speaking(mesh) as again:
        whole = again.content
    say(request, f"stopped while speaking: all {wav_seconds(came):.1f} s of speech came")
    assert wav_seconds(came) == pytest.approx(wav_seconds(whole), rel=0.02)


def test_without_ollama_the_embedded_model_answers_and_says_so(mesh, question):
    mesh.compose("stop", "ollama")
    try:
        answer = requests.post(
            f"{mesh.url}/api/converse",
            files={"audio_file": ("question.wav", question)},
            headers={"Accept": "application/json"},
            timeout=240,
        ).json()
        assert answer["llm_engine"] == "embedded"
        assert [skipped["engine"] for skipped in answer["llm_skipped"]] == ["ollama"]
        assert answer["llama"] and answer["audio"]
    finally:
        mesh.compose("start", "ollama")
