"""``scripts/tts_test.py``: a voice without a server."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import wave
from pathlib import Path
from types import ModuleType

import pytest

from shared.core.errors import NotReady
from tts_service.engines import fake
from tts_service.engines.fake import FakeEngine

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "scripts" / "tts_test.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The script as a module, with a fake engine, in an empty folder."""
    spec = importlib.util.spec_from_file_location("tts_test_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ENGINES", ("fake",))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOICEMESH_HOME", str(tmp_path / "home"))
    return module


def seconds_of(path: Path) -> float:
    with wave.open(str(path)) as reader:
        assert (reader.getnchannels(), reader.getsampwidth()) == (1, 2)
        return reader.getnframes() / reader.getframerate()


def test_the_file_is_written(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main([]) == 0
    assert seconds_of(Path("voz_generada.wav")) > 0.5
    said = capsys.readouterr().out
    assert "voz_generada.wav" in said
    assert "by fake, voice fake-en-us, en-us" in said


def test_language_speed_and_name_are_followed(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "Una frase que dura un poco."
    assert script.main([text, "-l", "es", "-e", "fake", "-o", "a.wav"]) == 0
    assert script.main([text, "-l", "es", "-e", "fake", "-s", "2", "-o", "b.wav"]) == 0
    assert seconds_of(Path("b.wav")) < 0.75 * seconds_of(Path("a.wav"))
    assert "voice fake-es, es" in capsys.readouterr().out


def test_a_sample_is_followed(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    Path("me.wav").write_bytes(b"recording")
    assert script.main(["Hello.", "--sample", "me.wav"]) == 0
    assert "(matching)" in capsys.readouterr().out


def test_the_first_engine_that_can_does(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engines = {
        "spanish": FakeEngine("spanish", languages=("es",), cloning="none"),
        "english": FakeEngine("english", languages=("en-us",), cloning="none"),
        "able": FakeEngine("able"),
    }
    monkeypatch.setattr(script, "ENGINES", tuple(engines))
    monkeypatch.setattr(script.REGISTRY, "build", lambda name, _: engines[name])
    Path("me.wav").write_bytes(b"recording")
    for given, engine in (
        (["Hello."], "english"),
        (["Hola.", "-l", "es"], "spanish"),
        (["Hello.", "-v", "able-es"], "able"),
        (["Hello.", "--sample", "me.wav"], "able"),
    ):
        assert script.main(given) == 0
        assert f"by {engine}," in capsys.readouterr().out
    assert engines["spanish"].closed


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["..."], "nothing that can be spoken"),
        (["Hi.", "-l", "tlh"], "none of fake speaks 'tlh'"),
        (["Hi.", "-l", "tlh", "-e", "fake"], "no engine here speaks the language 'tlh'"),
        (["Hi.", "-v", "nobody"], "no voice called 'nobody'"),
        (["Hi.", "--sample", "missing.wav"], "missing.wav"),
        (["Hi.", "-o", "no/such/folder.wav"], "folder.wav"),
    ],
)
def test_what_cannot_be_done_is_said(
    script: ModuleType, capsys: pytest.CaptureFixture[str], given: list[str], message: str
) -> None:
    assert script.main(given) == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert not Path("voz_generada.wav").exists()


def test_a_model_that_is_missing_names_its_command(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = FakeEngine(load_error=NotReady("run: mesh download nvidia/tts_hifigan"))
    monkeypatch.setattr(fake, "build", lambda _: broken)
    assert script.main(["Hi.", "-e", "fake"]) == 1
    assert "mesh download nvidia/tts_hifigan" in capsys.readouterr().err


@pytest.mark.parametrize("given", [["-s", "9"], ["-e", "none"]])
def test_a_wrong_command_line_is_refused(script: ModuleType, given: list[str]) -> None:
    with pytest.raises(SystemExit):
        script.main(given)


@pytest.mark.models
def test_it_speaks_as_a_program(models_dir: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "Hola.", "-l", "es", "-o", str(tmp_path / "hola.wav")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "by kokoro" in done.stdout
    assert seconds_of(tmp_path / "hola.wav") > 0.3
