"""The whole mesh as processes, real engines: conversation, parallel callers, killed services."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import websocket

from tests.bench.scoring import score, words
from tests.e2e.conftest import TOKEN

pytestmark = [pytest.mark.models, pytest.mark.e2e]

BACK_WITHIN_S = 90
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
NUMBERS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"),
)


@pytest.fixture
def session():
    with requests.Session() as made:
        made.headers.update(HEADERS)
        yield made


def speak(session, url, text, **fields):
    answer = session.post(f"{url}/synthesize", json={"text": text, **fields}, timeout=60)
    answer.raise_for_status()
    return answer.content


def hear(session, url, recording):
    answer = session.post(
        f"{url}/transcribe", data=recording, headers={"Content-Type": "audio/wav"}, timeout=60
    )
    answer.raise_for_status()
    return answer.json()["text"]


@pytest.mark.parametrize(
    ("text", "language"),
    [("What is the capital of France?", "en"), ("¿Cuál es la capital de Francia?", "es")],
)
def test_a_spoken_question_gets_a_spoken_answer(mesh_url, session, text, language):
    question = speak(session, mesh_url, text, language=language)
    answer = session.post(
        f"{mesh_url}/api/converse",
        files={"audio_file": ("q.wav", question)},
        headers={"Accept": "application/json"},
        timeout=60,
    ).json()
    assert score(text, answer["transcription"], language).rate <= 0.2
    assert answer["language"] == language
    assert answer["llm_engine"] in ("ollama", "embedded")
    spoken = session.post(
        f"{mesh_url}/api/converse", files={"audio_file": ("q.wav", question)}, timeout=60
    )
    assert spoken.content[:4] == b"RIFF"
    assert hear(session, mesh_url, spoken.content)


def test_the_classic_socket_holds_a_conversation(mesh_url, session):
    question = speak(session, mesh_url, "What is the capital of France?")
    socket = websocket.create_connection(
        f"ws://{urlsplit(mesh_url).netloc}/ws",
        header=[f"Authorization: Bearer {TOKEN}"],
        timeout=60,
    )
    try:
        for _ in range(2):
            socket.send_binary(question)
            answer = json.loads(socket.recv())
            assert "capital of France" in answer["transcription"]
            assert answer["llama"]
            reply = socket.recv()
            assert int.from_bytes(reply[40:44], "little") == len(reply) - 44
        socket.send_binary(b"no audio at all")
        assert json.loads(socket.recv())["error"]["code"] == "unsupported_media"
    finally:
        socket.close()


def test_every_parallel_caller_gets_its_own_speech_and_transcript(mesh_url, session):
    def speech_of(number):
        with requests.Session() as own:
            own.headers.update(HEADERS)
            return speak(own, mesh_url, f"This is caller number {NUMBERS[number]}.")

    with ThreadPoolExecutor(16) as pool:
        recordings = list(pool.map(speech_of, range(16)))

    def heard(recording):
        with requests.Session() as own:
            own.headers.update(HEADERS)
            return hear(own, mesh_url, recording)

    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(heard, recordings))
    heard_last = [words(text, "en")[-1:] for text in texts]
    assert heard_last == [[word] for word in NUMBERS]


def test_above_the_limit_callers_are_told_to_come_back(mesh_url):
    def ask(number):
        with requests.Session() as own:
            own.headers.update(HEADERS)
            text = f"Caller {number}. " + "This sentence keeps the engine busy for a while. " * 2
            return own.post(
                f"{mesh_url}/synthesize", json={"text": text, "voice": "af_sky"}, timeout=170
            )

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(ask, range(40)))
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) >= 1
            assert answer.json()["error"]["code"] == "overloaded"


def pids_of(service, gateway_port):
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"{service}.app".encode() in command and f"PORT={gateway_port}".encode() in environment:
            found.append(int(folder.name))
    return found


@pytest.mark.skipif(
    "MESH_URL" in os.environ, reason="kills services of a mesh that these tests did not start"
)
@pytest.mark.parametrize("service", ["tts_service", "stt_service", "voice_agent", "gateway"])
def test_a_killed_service_comes_back_and_its_callers_are_told(mesh_url, session, service):
    port = urlsplit(mesh_url).port
    question = speak(session, mesh_url, "What is the capital of France?")
    calls = {
        "tts_service": lambda s: s.post(
            f"{mesh_url}/synthesize", json={"text": "Hello there."}, timeout=60
        ),
        "stt_service": lambda s: s.post(
            f"{mesh_url}/transcribe",
            data=question,
            headers={"Content-Type": "audio/wav"},
            timeout=60,
        ),
        "voice_agent": lambda s: s.post(
            f"{mesh_url}/api/converse",
            data=question,
            headers={"Content-Type": "audio/wav"},
            timeout=60,
        ),
    }
    stop = threading.Event()
    seen = {name: [] for name in calls}

    def load(name):
        while not stop.is_set():
            with requests.Session() as own:
                own.headers.update(HEADERS)
                try:
                    answer = calls[name](own)
                    seen[name].append((answer.status_code, answer.content))
                except requests.RequestException as error:
                    seen[name].append((0, type(error).__name__))
                time.sleep(0.1)

    threads = [threading.Thread(target=load, args=(name,)) for name in calls]
    for thread in threads:
        thread.start()
    try:
        time.sleep(2)
        victims = pids_of(service, port)
        assert victims
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        killed_at = {name: len(found) for name, found in seen.items()}
        time.sleep(3)
        deadline = time.monotonic() + BACK_WITHIN_S
        while time.monotonic() < deadline:
            try:
                if session.get(f"{mesh_url}/readyz", timeout=5).status_code == 200:
                    break
            except requests.RequestException:
                pass
            time.sleep(0.5)
        else:
            pytest.fail(f"{service} did not come back")
        time.sleep(1)
    finally:
        stop.set()
        for thread in threads:
            thread.join(90)
    assert set(pids_of(service, port)).isdisjoint(victims)
    for name, found in seen.items():
        after = found[killed_at[name] :]
        for status, content in after:
            # An answer that had begun is cut, and seen to be; what had not begun has a status,
            # unless the process that was killed is the one that would have sent it.
            if status == 0:
                assert service == "gateway" or content == "ChunkedEncodingError", (name, content)
            elif status != 200:
                assert json.loads(content)["error"]["code"], (name, status)
        assert found[-1][0] == 200, f"{name} does not work again: {found[-1]}"
    untouched = {"tts_service": "stt_service", "stt_service": "tts_service"}.get(service)
    if untouched:
        failures = [s for s, _ in seen[untouched][killed_at[untouched] :] if s != 200]
        assert failures == [], f"{untouched} suffered from the death of {service}"
