"""The command line and the example clients against the whole mesh with its real engines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import wave
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.e2e.conftest import TOKEN

pytestmark = [pytest.mark.e2e, pytest.mark.models]

ROOT = Path(__file__).resolve().parents[2]
SENTENCE = "The weather is nice today."


@pytest.fixture
def run(mesh_url: str, tmp_path: Path):
    """Runs a Python program or module in an empty folder; its standard output."""

    def program(*words: str, stdin: str = "") -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=os.environ | {"MESH_URL": mesh_url, "MESH_TOKEN": TOKEN},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return program


def seconds(path: Path) -> float:
    with wave.open(str(path)) as wav:
        return wav.getnframes() / wav.getframerate()


def plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def test_what_is_said_is_transcribed(run, tmp_path: Path) -> None:
    run("-m", "mesh.cli", "say", SENTENCE, "-o", "said.wav")
    assert 1 < seconds(tmp_path / "said.wav") < 5
    assert plain(run("-m", "mesh.cli", "transcribe", "said.wav")) == plain(SENTENCE)
    subtitles = run("-m", "mesh.cli", "transcribe", "said.wav", "--format", "srt")
    assert subtitles.startswith("1\n00:00:00,")


def test_a_spoken_question_gets_a_spoken_answer(run, tmp_path: Path) -> None:
    run("-m", "mesh.cli", "say", "What is the capital of France?", "-o", "question.wav")
    words = run("-m", "mesh.cli", "talk", "question.wav", "-o", "reply.wav")
    assert "capital of france" in words.lower()
    assert seconds(tmp_path / "reply.wav") > 0.5
    # The answer is speech that can be understood, not just samples.
    reply = plain(words.partition("mesh: ")[2])
    heard = plain(run("-m", "mesh.cli", "transcribe", "reply.wav"))
    assert len(set(heard.split()) & set(reply.split())) > 0.6 * len(set(reply.split()))


def test_voices_are_listed(run) -> None:
    assert "ef_dora" in run("-m", "mesh.cli", "voices", "--language", "es")


def test_the_streaming_client(run, mesh_url: str, tmp_path: Path) -> None:
    client = str(ROOT / "client_tests" / "stream_client.py")
    told = run(client, "--url", mesh_url, "--token", TOKEN, "--no-play", stdin="\n\n")
    assert "first audio after" in told
    assert seconds(tmp_path / "stream_output.wav") > 5


def test_the_socket_client(run, mesh_url: str, tmp_path: Path) -> None:
    if find_spec("websockets") is None:
        pytest.skip("the websockets package is not installed")
    url = mesh_url.replace("http", "ws", 1)
    run(str(ROOT / "examples" / "ws_tts.py"), "--url", url, "--token", TOKEN)
    assert (tmp_path / "ws_tts.wav").read_bytes().startswith(b"RIFF")
    assert (tmp_path / "ws_tts.wav").stat().st_size > 24_000


def test_the_conversation_client(run, mesh_url: str, tmp_path: Path) -> None:
    run("-m", "mesh.cli", "say", "Tell me about the sea.", "-o", "q.wav")
    url = mesh_url.replace("http", "ws", 1)
    chat = str(ROOT / "examples" / "voice_chat.py")
    told = run(chat, "q.wav", "q.wav", "--url", url, "--token", TOKEN)
    assert told.count("you: ") == 2
    assert seconds(tmp_path / "answer-2.wav") > 0.5
