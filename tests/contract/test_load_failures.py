"""An engine whose model is missing or damaged: its host is not ready and says why."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.core.errors import NotReady
from shared.engines.engine_host import EngineHost
from stt_service.engines import REGISTRY as RECOGNISERS
from stt_service.engines.fake import FakeStt
from stt_service.settings import SttSettings
from tests import ports
from tts_service.engines import REGISTRY as SPEAKERS
from tts_service.engines.fake import FakeEngine
from tts_service.settings import TtsSettings

GARBAGE = b"this is no model " * 64
ENGINES = pytest.mark.engines


class Case:
    """What a way of breaking an engine may use.

    Attributes:
        folder: empty, and the test's own.
        patch: of pytest.
    """

    def __init__(self, request: pytest.FixtureRequest, name: str) -> None:
        self._request = request
        self._name = name
        self.folder: Path = request.getfixturevalue("tmp_path")
        self.patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")

    def fixture(self, name: str) -> Any:
        """Another fixture, made only where it is needed."""
        return self._request.getfixturevalue(name)

    def garbage(self, name: str) -> Path:
        """A file that is no model."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(GARBAGE)
        return path

    def speaker(self, **values: Any) -> Callable[[], Any]:
        """The builder of the speech engine with these settings."""
        settings = TtsSettings(_env_file=None, **{"voicemesh_home": self.folder} | values)
        return SPEAKERS.builders([self._name], settings)[0][1]

    def recogniser(self, **values: Any) -> Callable[[], Any]:
        """The builder of the recogniser with these settings."""
        settings = SttSettings(_env_file=None, **{"voicemesh_home": self.folder} | values)
        return RECOGNISERS.builders([self._name], settings)[0][1]


def no_weights(case: Case) -> Callable[[], Any]:
    return lambda: FakeEngine(load_error=NotReady("no weights"))


def hibari_without_voices(case: Case) -> Callable[[], Any]:
    def nowhere(*args: Any, **kwargs: Any) -> Path:
        raise FileNotFoundError

    case.patch.setattr("hibari.voices.voice_path", nowhere)
    return case.speaker()


def hibari_damaged(case: Case) -> Callable[[], Any]:
    path = case.garbage("heart.onnx")
    case.patch.setattr("hibari.voices.voice_path", lambda *args, **kwargs: path)
    return case.speaker()


def kokoro_damaged(case: Case) -> Callable[[], Any]:
    case.garbage("models/kokoro/model.onnx")
    return case.speaker()


def fish_local_away(case: Case) -> Callable[[], Any]:
    return case.speaker(fish_local_url=f"http://127.0.0.1:{ports.free_ports(1)[0]}")


def nemo_without(part: str) -> Callable[[Case], Callable[[], Any]]:
    def breaks(case: Case) -> Callable[[], Any]:
        away = {part: str(case.folder / "none.nemo")}
        return case.speaker(**case.fixture("tiny_nemo_tts") | away)

    return breaks


def nemo_damaged(case: Case) -> Callable[[], Any]:
    bad = {"nemo_tts_spectrogram": str(case.garbage("bad.nemo"))}
    return case.speaker(**case.fixture("tiny_nemo_tts") | bad)


def xtts_without_checkpoint(case: Case) -> Callable[[], Any]:
    copied = case.folder / "xtts"
    shutil.copytree(case.fixture("tiny_xtts")["xtts_model"], copied)
    (copied / "model.pth").unlink()
    return case.speaker(xtts_model=str(copied), tts_device="cpu")


def xtts_damaged(case: Case) -> Callable[[], Any]:
    copied = case.folder / "xtts"
    shutil.copytree(case.fixture("tiny_xtts")["xtts_model"], copied)
    case.garbage("xtts/model.pth")
    return case.speaker(xtts_model=str(copied), tts_device="cpu")


class BrokenStt(FakeStt):
    """Has no weights, like an engine whose download failed."""

    def load(self) -> None:
        """Fails."""
        raise NotReady("no weights")


def whisper_damaged(case: Case) -> Callable[[], Any]:
    case.garbage("models/whisper-base/model.bin")
    return case.recogniser()


def whisper_folder_damaged(case: Case) -> Callable[[], Any]:
    case.garbage("own/model.bin")
    return case.recogniser(whisper_model=str(case.folder / "own"))


def parakeet_of(name: str, content: bytes | None) -> Callable[[Case], Callable[[], Any]]:
    def breaks(case: Case) -> Callable[[], Any]:
        if content is not None:
            case.garbage(name)
        return case.recogniser(parakeet_model=str(case.folder / name), stt_device="cpu")

    return breaks


SPEECH = [
    pytest.param("fake", no_weights, "no weights", id="fake"),
    pytest.param("hibari", hibari_without_voices, "no voice", id="hibari-missing"),
    pytest.param("hibari", hibari_damaged, "heart.onnx", id="hibari-damaged"),
    pytest.param("kokoro", Case.speaker, "not prepared; run: mesh download", id="kokoro-missing"),
    pytest.param("kokoro", kokoro_damaged, "is damaged .model.onnx", id="kokoro-damaged"),
    pytest.param("fish-api", Case.speaker, "set FISH_API_KEY", id="fish-api-no-key"),
    pytest.param("fish-local", fish_local_away, "connection_refused", id="fish-local-away"),
    pytest.param(
        "nemo",
        nemo_without("nemo_tts_vocoder"),
        "archive does not exist",
        marks=ENGINES,
        id="nemo-missing",
    ),
    pytest.param("nemo", nemo_damaged, "'bad' cannot be read", marks=ENGINES, id="nemo-damaged"),
    pytest.param(
        "xtts", xtts_without_checkpoint, "lacks model.pth", marks=ENGINES, id="xtts-missing"
    ),
    pytest.param(
        "xtts", xtts_damaged, "checkpoint cannot be read", marks=ENGINES, id="xtts-damaged"
    ),
]
RECOGNITION = [
    pytest.param("fake", lambda case: BrokenStt, "no weights", id="fake"),
    pytest.param(
        "whisper", Case.recogniser, "not prepared; run: mesh download", id="whisper-missing"
    ),
    pytest.param("whisper", whisper_damaged, "is damaged .model.bin", id="whisper-damaged"),
    pytest.param(
        "whisper", whisper_folder_damaged, "could not be loaded", id="whisper-folder-damaged"
    ),
    pytest.param(
        "parakeet",
        parakeet_of("none.nemo", None),
        "archive does not exist",
        marks=ENGINES,
        id="parakeet-missing",
    ),
    pytest.param(
        "parakeet",
        parakeet_of("bad.nemo", GARBAGE),
        "'bad' cannot be read",
        marks=ENGINES,
        id="parakeet-damaged",
    ),
]


@pytest.mark.parametrize(("name", "broken", "reason"), SPEECH)
def test_a_speech_engine_that_cannot_load(
    request: pytest.FixtureRequest,
    name: str,
    broken: Callable[[Case], Callable[[], Any]],
    reason: str,
) -> None:
    if missing := SPEAKERS.missing(name):
        pytest.skip(f"not installed: {', '.join(missing)}")
    expect_not_ready(name, broken(Case(request, name)), reason)


@pytest.mark.parametrize(("name", "broken", "reason"), RECOGNITION)
def test_a_recogniser_that_cannot_load(
    request: pytest.FixtureRequest,
    name: str,
    broken: Callable[[Case], Callable[[], Any]],
    reason: str,
) -> None:
    if missing := RECOGNISERS.missing(name):
        pytest.skip(f"not installed: {', '.join(missing)}")
    expect_not_ready(name, broken(Case(request, name)), reason)


def test_every_engine_has_a_case() -> None:
    assert {case.values[0] for case in SPEECH} == set(SPEAKERS.names)
    assert {case.values[0] for case in RECOGNITION} == set(RECOGNISERS.names)


def expect_not_ready(name: str, build: Callable[[], Any], reason: str) -> None:
    """The host of the engine alone is not ready, and its answers say ``reason``."""
    host: EngineHost[Any] = EngineHost([(name, build)], queue_limit=1, queue_timeout_s=1.0)
    host.start()
    try:
        assert host.wait_settled(120)
        assert not host.is_ready()
        status = host.status()[name]
        assert status["state"] == "failed"
        with pytest.raises(NotReady, match=reason) as refused:
            host.engines()
        assert status["reason"] in refused.value.message
    finally:
        host.close()
