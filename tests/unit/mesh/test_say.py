import wave

import pytest

from mesh import sound_devices
from mesh.audio_file import save
from mesh.commands.say import container_of
from shared.audio.pcm import AudioFormat
from shared.audio.wav import wav_header
from tests.unit.mesh.conftest import SAMPLES


@pytest.mark.parametrize(
    ("output", "asked", "container"),
    [
        ("a.mp3", None, "mp3"),
        ("a.OGG", None, "opus"),
        ("a.m4a", None, "aac"),
        ("a.wav", "flac", "flac"),
        ("a", None, "wav"),
        ("a.txt", None, "wav"),
        ("-", None, "wav"),
    ],
)
def test_the_container_is_the_asked_one_or_that_of_the_ending(output, asked, container):
    assert container_of(output, asked) == container


def test_a_streamed_wav_gets_its_lengths(mesh, gateway, tmp_path):
    result = mesh("say", "Hello", "-o", "a.wav", "--language", "en", "--speed", "1.5")
    assert result.exit_code == 0, result.output
    assert gateway.asked == [{"text": "Hello", "speed": 1.5, "language": "en", "format": "wav"}]
    with wave.open(str(tmp_path / "a.wav")) as wav:
        assert wav.getnframes() == len(SAMPLES) // 2
    assert "engine fake, voice heart, ignored: emotion" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_lengths_that_a_wav_declares_are_kept(tmp_path):
    named = wav_header(AudioFormat(24_000), len(SAMPLES)) + SAMPLES + b"LIST\x04\0\0\0INFO"
    assert save([named], tmp_path / "a.wav") == len(named)
    assert (tmp_path / "a.wav").read_bytes() == named


def test_other_containers_are_written_as_they_come(mesh, gateway, tmp_path):
    assert mesh("say", "Hello", "-o", "a.raw").exit_code == 0
    assert (tmp_path / "a.raw").read_bytes() == SAMPLES


def test_standard_output(mesh):
    result = mesh("say", "Hello", "-o", "-", "--format", "pcm")
    assert result.stdout_bytes == SAMPLES


def test_the_text_comes_from_a_file_or_standard_input(mesh, gateway, tmp_path):
    (tmp_path / "t.txt").write_text("olá", encoding="utf-8")
    assert mesh("say", "-f", "t.txt", "-o", "a.wav").exit_code == 0
    assert mesh("say", "-", "-o", "a.wav", stdin="from stdin").exit_code == 0
    assert [asked["text"] for asked in gateway.asked] == ["olá", "from stdin"]
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\xfa")
    result = mesh("say", "-f", "bad.txt", "-o", "a.wav")
    assert result.exit_code == 1
    assert "UTF-8" in result.output


def test_text_is_wanted_once(mesh, tmp_path):
    (tmp_path / "t.txt").write_text("x")
    assert mesh("say").exit_code == 2
    assert mesh("say", "x", "-f", "t.txt").exit_code == 2


def test_errors_of_the_mesh_are_shown(mesh, tmp_path):
    result = mesh("say", "x", "--voice", "nobody", "-o", "a.wav")
    assert result.exit_code == 1
    assert "no voice called 'nobody'" in result.output
    assert "There is: heart" in result.output
    result = mesh("say", "busy", "-o", "a.wav")
    assert "models are loading" in result.output
    assert "In the logs under req_1" in result.output
    assert "Try again in 2 s" in result.output
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_breaks_off_leaves_no_file(mesh, tmp_path):
    result = mesh("say", "cut", "-o", "a.wav")
    assert result.exit_code == 1
    assert "not whole" in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_named(mesh):
    result = mesh("say", "x", "-o", "nowhere/a.wav")
    assert result.exit_code == 1
    assert "'nowhere/a.wav': No such file or directory" in result.output


def test_without_a_file_it_is_played(mesh, monkeypatch):
    played = []
    monkeypatch.setattr(sound_devices, "require_player", lambda: None)
    monkeypatch.setattr(
        sound_devices, "play_pcm", lambda chunks, rate: played.append((b"".join(chunks), rate))
    )
    assert mesh("say", "Hello").exit_code == 0
    assert played == [(SAMPLES, 24_000)]


def test_without_a_player_the_command_that_helps_is_named(mesh, gateway, monkeypatch):
    monkeypatch.setattr(sound_devices, "_sounddevice", lambda: None)
    monkeypatch.setattr(sound_devices.shutil, "which", lambda _: None)
    result = mesh("say", "Hello")
    assert result.exit_code == 1
    assert "--output" in result.output
    assert "pip install sounddevice" in result.output
    assert gateway.asked == []
