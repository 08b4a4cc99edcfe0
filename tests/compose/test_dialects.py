"""The asked-for contracts, from outside the containers, at the ports that they name."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
import requests
import websocket

from tests.compose.sounds import wav_seconds, words

TEXT = "This is a test of the speech service."


@contextmanager
def connected(mesh, path):
    socket = websocket.create_connection(
        f"ws://127.0.0.1:{mesh.gateway}{path}", timeout=120, suppress_origin=True
    )
    try:
        yield socket
    finally:
        socket.close()
        # A socket that the other side closed first is left open by that.
        socket.shutdown()


def test_s1_synthesize_at_the_port_of_speech(mesh):
    answer = requests.post(
        f"http://127.0.0.1:{mesh.tts}/synthesize", json={"text": TEXT}, timeout=120
    )
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "audio/wav"
    assert answer.headers["X-Engine"] == "hibari"
    assert wav_seconds(answer.content) > 1


def test_s2_transcribe_at_the_port_of_recognition(mesh, question):
    answer = requests.post(
        f"http://127.0.0.1:{mesh.stt}/transcribe",
        files={"audio_file": ("question.wav", question)},
        timeout=120,
    )
    assert answer.status_code == 200
    assert {"capital", "france"} <= words(answer.json()["text"])


def test_s5_two_spoken_turns_on_one_socket_answered_by_ollama(mesh, question):
    with connected(mesh, "/ws") as socket:
        for _ in range(2):
            socket.send_binary(question)
            said = json.loads(socket.recv())
            assert {"capital", "france"} <= words(said["transcription"])
            assert said["llama"] == "The stand-in model answers."
            assert said["llm_engine"] == "ollama"
            assert wav_seconds(socket.recv()) > 0.5


@pytest.mark.parametrize("route", ["batch", "stream"])
def test_s9_whole_and_as_it_is_made(mesh, route):
    answer = requests.post(
        f"{mesh.url}/api/tts/{route}", json={"text": TEXT, "language": "en"}, timeout=120
    )
    assert answer.status_code == 200
    assert wav_seconds(answer.content) > 1
    assert ("Content-Length" in answer.headers) == (route == "batch")


def test_s11_a_voice_from_json_and_from_a_sample(mesh, question):
    headers = {"Authorization": "Bearer any-since-none-is-configured"}
    url = f"{mesh.url}/generate-voice"
    plain = requests.post(
        url,
        json={"text": "Olá, mundo!", "language": "pt", "speed": 1.1},
        headers=headers,
        timeout=120,
    )
    assert plain.status_code == 200, plain.text
    assert plain.headers["X-Engine"] == "kokoro"
    assert wav_seconds(plain.content) > 0.3
    sampled = requests.post(
        url,
        data={"text": TEXT, "language": "en"},
        files={"sample": ("me.wav", question)},
        headers=headers,
        timeout=240,
    )
    assert sampled.status_code == 200, sampled.text
    assert 0 < float(sampled.headers["X-Voice-Similarity"]) <= 1
    assert wav_seconds(sampled.content) > 1


def test_s12_chunks_then_the_end(mesh):
    with connected(mesh, "/ws/tts") as socket:
        socket.send(json.dumps({"text": TEXT, "language": "en"}))
        sound, events = b"", []
        while not events or events[-1].get("event") != "end":
            message = socket.recv()
            if isinstance(message, bytes):
                sound += message
            else:
                events.append(json.loads(message))
                assert "error" not in events[-1]
        assert wav_seconds(sound) > 1


def test_a_browser_gets_the_page(mesh):
    answer = requests.get(mesh.url, headers={"Accept": "text/html"}, timeout=30)
    assert answer.status_code == 200
    assert "<html" in answer.text
    assert requests.get(mesh.url, timeout=30).json()["status"] == "online"
