import wave

import pytest

from mesh import sound_devices
from mesh.connection import Connection
from mesh.conversation import Conversation
from shared.core.errors import MeshError, UpstreamUnavailable
from tests.little_server import LittleServer
from tests.unit.mesh.conftest import SAMPLES


@pytest.fixture
def question(tmp_path):
    path = tmp_path / "question.wav"
    path.write_bytes(b"sound")
    return "question.wav"


def test_a_file_is_answered_into_a_file(mesh, gateway, question, tmp_path):
    result = mesh("talk", question, "-o", "reply.wav")
    assert result.exit_code == 0, result.output
    assert "you:  hi\nmesh: hello\n" in result.output
    with wave.open(str(tmp_path / "reply.wav")) as wav:
        assert wav.readframes(wav.getnframes()) == SAMPLES
    assert gateway.asked == [{"bytes": 5}]


def test_a_file_is_answered_aloud(mesh, question, monkeypatch):
    played = []
    monkeypatch.setattr(sound_devices, "require_player", lambda: None)
    monkeypatch.setattr(
        sound_devices, "play_pcm", lambda chunks, rate: played.append((chunks, rate))
    )
    assert mesh("talk", question).exit_code == 0
    assert played == [([SAMPLES], 24_000)]


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        (b"silence", 0, "nothing was said"),
        (b"fault", 1, "no voice is ready"),
        (b"bye", 1, "too many sessions"),
    ],
)
def test_turns_without_sound(mesh, tmp_path, said, status, words):
    (tmp_path / "q.wav").write_bytes(said)
    result = mesh("talk", "q.wav", "-o", "reply.wav")
    assert result.exit_code == status
    assert words in result.output
    assert not (tmp_path / "reply.wav").exists()
    # What was understood is shown even where the speech failed.
    assert ("you:  hi" in result.output) == (said == b"fault")


def test_a_wrong_token_and_no_mesh_are_said(mesh, gateway, question):
    gateway.token = "s3cret"
    result = mesh("talk", question, "-o", "r.wav")
    assert result.exit_code == 1
    assert "bearer token" in result.output
    result = mesh("talk", question, "-o", "r.wav", "--url", "http://127.0.0.1:9")
    assert "mesh up" in result.output


def test_a_conversation_that_breaks_off_is_an_error(gateway):
    with Conversation(Connection(gateway.url, None)) as conversation:
        conversation._socket.sock.close()
        with pytest.raises(UpstreamUnavailable):
            conversation.ask(b"sound", lambda *_: None)


def test_a_refusal_that_is_no_json_keeps_its_status():
    server = LittleServer(lambda handler: handler.send_error(404))
    try:
        with pytest.raises(MeshError, match="404"):
            Conversation(Connection(server.url + "/nowhere", None))
    finally:
        server.close()


def test_a_refusal_by_a_mesh_says_why(gateway):
    with pytest.raises(MeshError, match="no such socket"):
        Conversation(Connection(gateway.url + "/nowhere", None))


def test_the_microphone_goes_on_until_the_end_of_input(mesh, gateway, monkeypatch, tmp_path):
    monkeypatch.setattr(sound_devices, "require_recorder", lambda: None)

    def record(wait_for_end):
        wait_for_end()
        return b"spoken"

    monkeypatch.setattr(sound_devices, "record_wav", record)
    result = mesh("talk", "-o", "reply.wav", stdin="\n\n\n\n")
    assert result.exit_code == 0, result.output
    assert gateway.asked == [{"bytes": 6}] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reply-2.wav", "reply.wav"]


def test_without_a_microphone_the_command_that_helps_is_named(mesh, monkeypatch):
    monkeypatch.setattr(sound_devices, "_sounddevice", lambda: None)
    monkeypatch.setattr(sound_devices.shutil, "which", lambda _: None)
    result = mesh("talk", "-o", "r.wav")
    assert result.exit_code == 1
    assert "mesh talk question.wav" in result.output
