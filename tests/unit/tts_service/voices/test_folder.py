from __future__ import annotations

from pathlib import Path

import pytest

from shared.core.errors import InvalidRequest, TooLarge, UnknownVoice
from tts_service.voices.folder import VoicesFolder


@pytest.fixture
def folder(tmp_path: Path) -> VoicesFolder:
    for name in ("voices/ana.mp3", "voices/J. Doe.wav", "voices/notes.txt", "audios/man.wav"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "secret.wav").write_bytes(b"secret")
    return VoicesFolder([tmp_path / "voices", tmp_path / "audios", tmp_path / "none"], 100)


def test_names(folder: VoicesFolder) -> None:
    assert folder.names() == ["J. Doe.wav", "ana.mp3", "man.wav"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ana.mp3", "ana.mp3"),
        ("ana", "ana.mp3"),
        ("ana.wav", "ana.mp3"),
        ("man", "man.wav"),
        ("J. Doe", "J. Doe.wav"),
    ],
)
def test_found_with_or_without_extension(folder: VoicesFolder, name: str, found: str) -> None:
    reference = folder.read(name)
    assert reference.audio.endswith(found.encode())
    assert reference.name == Path(found).stem


@pytest.mark.parametrize("name", ["nobody", "notes.txt", "notes", ".hidden"])
def test_unknown_names_list_what_there_is(folder: VoicesFolder, name: str) -> None:
    with pytest.raises(UnknownVoice) as caught:
        folder.read(name)
    assert caught.value.details["available"] == folder.names()


@pytest.mark.parametrize(
    "name", ["../secret.wav", "/etc/passwd", "..", ".", "", " ", "a\\b.wav", "a\0.wav"]
)
def test_only_bare_names(folder: VoicesFolder, name: str) -> None:
    with pytest.raises(InvalidRequest):
        folder.read(name)


def test_a_link_out_of_the_folder_is_not_followed(folder: VoicesFolder, tmp_path: Path) -> None:
    (tmp_path / "voices" / "link.wav").symlink_to(tmp_path / "secret.wav")
    with pytest.raises(UnknownVoice):
        folder.read("link.wav")


def test_size_limit(folder: VoicesFolder, tmp_path: Path) -> None:
    (tmp_path / "voices" / "long.wav").write_bytes(b"x" * 101)
    with pytest.raises(TooLarge):
        folder.read("long")


def test_a_transcript_may_lie_beside_a_recording(tmp_path: Path) -> None:
    (tmp_path / "me.wav").write_bytes(b"x")
    folder = VoicesFolder([tmp_path], 100)
    assert folder.read("me").transcript == ""
    (tmp_path / "me.txt").write_text("\ufeffWhat I say,\nin two lines.", encoding="utf-8")
    assert folder.read("me").transcript == "What I say, in two lines."
    assert folder.names() == ["me.wav"]
    (tmp_path / "me.txt").write_bytes(b"\xff\xfe\xff")
    assert folder.read("me").transcript == ""


def test_a_transcript_is_read_up_to_its_limit(folder: VoicesFolder, tmp_path: Path) -> None:
    transcript = tmp_path / "voices" / "ana.txt"
    transcript.write_text("\ufeffhello\n  there " + "word " * 1000, encoding="utf-8")
    text = folder.read("ana").transcript
    assert text.startswith("hello there word")
    assert 1900 < len(text) <= 2000
