"""The clients for users, as programs, against the fake gateway."""

import subprocess
import sys
import wave
from pathlib import Path

import pytest

from tests.unit.mesh.conftest import SAMPLES, TOKEN

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def client(gateway, tmp_path):
    def run(program, *words, stdin=""):
        return subprocess.run(
            [sys.executable, str(ROOT / program), *words],
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def is_whole(path):
    with wave.open(str(path)) as wav:
        return wav.readframes(wav.getnframes()) == SAMPLES


@pytest.mark.parametrize("program", ["client_tests/stream_client.py", "examples/stream_client.py"])
def test_prompts_may_stay_empty(client, gateway, tmp_path, program):
    done = client(program, "--url", gateway.url, "--no-play", stdin="\n\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "first audio after" in done.stdout
    assert is_whole(tmp_path / "stream_output.wav")
    (asked,) = gateway.asked
    assert set(asked) == {"text", "language"}


def test_what_is_typed_is_asked(client, gateway):
    words = ("--url", gateway.url, "--no-play")
    client("client_tests/stream_client.py", *words, stdin="me.wav\nOlá\n")
    assert gateway.asked == [{"text": "Olá", "voice_sample": "me.wav"}]


def test_arguments_ask_nothing(client, gateway, tmp_path):
    gateway.token = TOKEN
    done = client(
        *("client_tests/stream_client.py", "--url", gateway.url, "--text", "hi", "--no-play"),
        *("--language", "en", "--token", TOKEN, "--output", "a.wav"),
    )
    assert done.returncode == 0, done.stdout
    assert "Voice" not in done.stdout
    assert is_whole(tmp_path / "a.wav")


def test_errors_are_said(client, gateway):
    program = "client_tests/stream_client.py"
    done = client(program, "--url", gateway.url, "--text", "busy", "--no-play")
    assert done.returncode == 1
    assert "models are loading" in done.stdout
    done = client(program, "--url", "http://127.0.0.1:9", "--text", "x", "--no-play")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_conversation_of_two_turns(client, gateway, tmp_path):
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(b"sound")
    url = gateway.url.replace("http", "ws")
    done = client("examples/voice_chat.py", "a.wav", "b.wav", "--url", url)
    assert done.returncode == 0, done.stderr
    assert is_whole(tmp_path / "answer-1.wav")
    assert is_whole(tmp_path / "answer-2.wav")


def test_the_models_script_is_the_command(client, tmp_path):
    done = client("scripts/download_models.py", "--help")
    assert done.returncode == 0
    assert "Prepare models" in done.stdout
