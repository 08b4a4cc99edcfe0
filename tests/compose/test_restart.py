"""The second start: volumes keep what was made, and no network is needed."""

from __future__ import annotations

import json
import time

import requests

from tests.compose.conftest import say
from tests.compose.sounds import wav_seconds

_FILES = """
import json, pathlib
root = pathlib.Path("/var/lib/voicemesh")
# Not the index of a cache, which notes when it was used.
files = [p for p in root.rglob("*") if p.is_file() and not {".lock", ".db"} & set(p.suffixes)
         and "-" not in p.suffix]
print(json.dumps({str(p): [p.stat().st_size, p.stat().st_mtime_ns] for p in sorted(files)}))
"""
_FETCHING = ("fetch", "assembl", "download", "rebuild")
_ASK = """
import json, urllib.request as r
body = json.dumps({"text": "Hello."}).encode()
asked = r.Request("http://gateway:8000/synthesize", body, {"Content-Type": "application/json"})
asked.add_header("Host", "localhost")
answer = r.urlopen(asked, timeout=60)
print(json.dumps([answer.status, answer.headers["X-Engine"], len(answer.read())]))
"""


def clone(mesh, sample):
    answer = requests.post(
        f"{mesh.url}/generate-voice",
        data={"text": "Hello again.", "language": "en"},
        files={"sample": ("me.wav", sample)},
        timeout=240,
    )
    assert answer.status_code == 200, answer.text
    assert wav_seconds(answer.content) > 0.3
    return answer.headers["X-Voice"]


def hits(mesh):
    return mesh.metric(
        mesh.container("tts"), "tts", "voice_cache_events_total", cache="voice", event="hit"
    )


def test_a_restart_makes_nothing_anew(mesh, question, request):
    voice = clone(mesh, question)
    requests.post(f"{mesh.url}/api/config", json={"language": "pt"}, timeout=60)
    before = json.loads(mesh.python(mesh.container("tts"), _FILES))
    assert before, "at least the voice and the setting"
    mesh.compose("down")
    seconds = mesh.up(variables={"MESH_OFFLINE": "true"})
    say(request, f"second start, offline, with its volumes: ready in {seconds:.1f} s")
    try:
        assert json.loads(mesh.python(mesh.container("tts"), _FILES)) == before
        for service in ("tts", "stt", "voice-agent"):
            said = mesh.logs(service).lower()
            assert not [word for word in _FETCHING if word in said]
        assert "pulled" not in mesh.logs("ollama")
        assert requests.get(mesh.url, timeout=60).json()["config"]["language"] == "pt"
        assert clone(mesh, question) == voice
        assert hits(mesh) == 1, "the voice was matched anew"
    finally:
        requests.post(f"{mesh.url}/api/config", json={"language": "en"}, timeout=60)
        mesh.up()


def test_it_starts_where_there_is_no_network(mesh, tmp_path, request):
    cut_off = tmp_path / "cut-off.yml"
    cut_off.write_text("networks:\n  default:\n    internal: true\n")
    files = ("docker-compose.yml", cut_off)
    mesh.compose("down")
    try:
        mesh.compose("up", "-d", "--no-build", files=files)
        for service in ("tts", "stt", "voice-agent", "gateway"):
            wait_healthy(mesh, service)
        status, engine, size = json.loads(mesh.python(mesh.container("stt"), _ASK))
        assert (status, engine) == (200, "hibari")
        assert size > 10_000
    finally:
        mesh.compose("down")


def wait_healthy(mesh, service):
    deadline = time.monotonic() + 180
    state = ""
    while time.monotonic() < deadline:
        state = mesh.inspect(mesh.container(service))["State"]["Health"]["Status"]
        if state == "healthy":
            return
        time.sleep(1)
    raise AssertionError(f"{service} is {state}:\n{mesh.logs(service)[-2000:]}")
