"""What may be configured."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tts_service.settings import TtsSettings


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> TtsSettings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return TtsSettings(_env_file=None)


def test_the_key_has_two_names_and_shows_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    read = settings(monkeypatch, FISH_AUDIO_API_KEY="secret-of-mine")
    assert read.fish_api_key.get_secret_value() == "secret-of-mine"
    assert "secret-of-mine" not in repr(read)


def test_voices(monkeypatch: pytest.MonkeyPatch) -> None:
    read = settings(monkeypatch, FISH_VOICES="ana=802e3bc2b27e49c2@es, bob=my voice")
    assert read.fish_voices == ("ana=802e3bc2b27e49c2@es", "bob=my voice")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FISH_VOICES", "ana"),
        ("FISH_VOICES", "ana=x,ANA=y"),
        ("FISH_VOICES", "a/b=x"),
        ("FISH_VOICES", "ana=x@spanish"),
        ("FISH_LOCAL_VOICES", "=x"),
        ("FISH_API_URL", "ftp://somewhere"),
        ("FISH_API_URL", "https://user:password@somewhere"),
        ("FISH_LOCAL_URL", "localhost:8080"),
        ("FISH_MODEL", "s1\r\nX-Other: 1"),
        ("FISH_SAMPLE_RATE", "22050"),
    ],
)
def test_what_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        settings(monkeypatch, **{name: value})


def test_an_address_may_end_with_a_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    read = settings(monkeypatch, FISH_LOCAL_URL="http://fish:8080/")
    assert read.fish_local_url == "http://fish:8080"
