"""fish-api → fish-local → an embedded engine, each failing in its own way, through the whole
application over real HTTP on both sides."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import websocket
from prometheus_client import REGISTRY

from shared.http.server.asgi.flask_service import shell_around
from tests.asgi_server import AsgiServer
from tests.fish_server import KEY, Answer, FishServer, tone_of
from tts_service.app import create_app
from tts_service.engines import REGISTRY as ENGINES
from tts_service.engines.base import TtsEngine
from tts_service.engines.fake import FakeEngine
from tts_service.settings import TtsSettings

TEXT = "The first sentence is here. A second one comes along. And the third one ends it."
SENTENCES = TEXT.replace(". ", ".|").split("|")
COOLDOWN_S = 1.0


class Mesh:
    """The speech service with its three engines, and the two servers behind it."""

    def __init__(self, home: Path, spare: TtsEngine | None = None) -> None:
        self.api, self.local = FishServer("api"), FishServer("local")
        settings = TtsSettings(
            _env_file=None,
            voicemesh_home=home,
            voices_dirs=(home / "voices",),
            tts_engines=("fish-api", "fish-local", "kokoro"),
            fish_api_key=KEY,
            fish_api_url=self.api.url,
            fish_local_url=self.local.url,
            fish_first_audio_timeout_s=1.0,
            fish_gap_timeout_s=0.7,
            fish_circuit_cooldown_s=COOLDOWN_S,
        )
        builders = ENGINES.builders(settings.tts_engines, settings)
        if spare is not None:
            builders[2] = ("kokoro", lambda: spare)
        self.app = create_app(settings, builders)
        self.host = self.app.extensions["tts_service"].host
        assert self.host.wait_settled(60)
        self.local.received.clear()
        self._server = AsgiServer(shell_around(self.app, settings))
        self.address = self._server.host

    def say(self, text: str = TEXT, path: str = "/synthesize", **fields: Any) -> requests.Response:
        request = {"text": text, "format": "pcm", "language": "en", **fields}
        return requests.post(f"http://{self.address}{path}", json=request, timeout=30)

    def close(self) -> None:
        self.api.close()
        self.local.close()
        self._server.close()
        self.host.close()


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def mesh(tmp_path: Path, restored_logging: None) -> Iterator[Mesh]:
    made = Mesh(tmp_path, FakeEngine("kokoro"))
    yield made
    made.close()


@pytest.fixture
def logged(mesh: Mesh) -> Iterator[list[logging.LogRecord]]:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    loggers = [logging.getLogger(name) for name in ("shared", "tts_service")]
    for logger in loggers:
        logger.addHandler(handler)
    yield records
    for logger in loggers:
        logger.removeHandler(handler)


def heard(pcm: bytes, rate: int = 24_000) -> list[str]:
    """The sentences in ``pcm``, by the pitch of each stretch of sound between pauses."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    frame = rate // 100
    power = np.square(samples[: samples.size // frame * frame].reshape(-1, frame)).mean(axis=1)
    loud = np.concatenate(([False], power > 100.0**2, [False]))
    edges = np.flatnonzero(np.diff(loud.astype(int))) * frame
    found = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        part = samples[start:end]
        padded = 1 << 19
        spectrum = np.abs(np.fft.rfft(part * np.hanning(part.size), padded))
        pitch = float(np.argmax(spectrum)) * rate / padded
        found += [s for s in SENTENCES if abs(tone_of(s) - pitch) < 3] or [f"{pitch:.0f} Hz"]
    return found


def fallbacks(engine: str, to: str, reason: str) -> float:
    labels = {"from": engine, "to": to, "reason": reason}
    return REGISTRY.get_sample_value("voice_fallback_total", labels) or 0.0


def fail(server: FishServer, how: str) -> None:
    """Make every request to ``server`` fail in the way called ``how``."""
    if how == "refused":
        server.stop()
    elif how.isdigit():
        server.answer = Answer(status=int(how), headers={"Retry-After": "1"})
    else:
        server.answer = Answer(how)  # type: ignore[arg-type]


REASONS = {
    "refused": "connection_refused",
    "500": "http_500",
    "429": "http_429",
    "hang": "no_answer",
    "hang_after_header": "no_answer",
    "stall": "stalled",
    "cut": "cut",
    "drop": "connection_lost",
    "html": "not_audio",
    "empty": "empty_audio",
}


def test_the_sentences_have_tones_of_their_own() -> None:
    tones = sorted(tone_of(s) for s in SENTENCES)
    assert all(b - a > 10 for a, b in pairwise(tones))


def test_the_preferred_engine_answers_while_it_works(mesh: Mesh) -> None:
    answer = mesh.say()
    assert answer.headers["X-Engine"] == "fish-api"
    assert "X-Fallback" not in answer.headers
    assert heard(answer.content) == SENTENCES
    assert not mesh.local.received


@pytest.mark.parametrize(
    ("api", "local"),
    [
        ("refused", "500"),
        ("500", "refused"),
        ("429", "hang"),
        ("hang", "cut"),
        ("cut", "429"),
        ("stall", "drop"),
        ("html", "hang_after_header"),
        ("empty", "stall"),
    ],
)
def test_each_hop_may_fail_in_its_own_way(
    mesh: Mesh, logged: list[logging.LogRecord], api: str, local: str
) -> None:
    fail(mesh.api, api)
    fail(mesh.local, local)
    reasons = {"fish-api": REASONS[api], "fish-local": REASONS[local]}
    before = {name: fallbacks(name, "kokoro", reason) for name, reason in reasons.items()}
    answer = mesh.say()
    assert answer.status_code == 200
    assert answer.headers["X-Engine"] == "kokoro"
    assert answer.headers["X-Fallback"] == ", ".join(
        f"{name}; reason={reason}" for name, reason in reasons.items()
    )
    assert heard(answer.content) == SENTENCES
    after = {name: fallbacks(name, "kokoro", reason) for name, reason in reasons.items()}
    assert after == {name: count + 1 for name, count in before.items()}
    told = [(r.engine, r.reason) for r in logged if "the next one" in r.getMessage()]  # type: ignore[attr-defined]
    assert told == list(reasons.items())
    everything = " ".join(str(vars(record)) for record in logged)
    assert KEY not in everything
    assert "first sentence" not in everything


@pytest.mark.parametrize("how", ["cut", "stall", "refused"])
def test_the_second_engine_answers_where_only_the_first_fails(mesh: Mesh, how: str) -> None:
    fail(mesh.api, how)
    answer = mesh.say()
    assert answer.headers["X-Engine"] == "fish-local"
    assert answer.headers["X-Fallback"] == f"fish-api; reason={REASONS[how]}"
    assert heard(answer.content) == SENTENCES
    assert mesh.local.texts() == SENTENCES


@pytest.mark.parametrize("how", ["cut", "stall", "500", "429"])
def test_an_answer_that_breaks_off_in_the_middle_is_finished_by_the_next_engine(
    mesh: Mesh, how: str
) -> None:
    mesh.api.script.append(Answer())
    fail(mesh.api, how)
    before = fallbacks("fish-api", "fish-local", REASONS[how])
    answer = mesh.say()
    assert answer.headers["X-Engine"] == "fish-api", "the headers were gone by then"
    assert heard(answer.content) == SENTENCES, "each sentence once, none of them broken"
    assert mesh.local.texts() == SENTENCES[1:]
    assert fallbacks("fish-api", "fish-local", REASONS[how]) == before + 1


def test_a_socket_is_told_at_the_end(mesh: Mesh) -> None:
    mesh.api.script.append(Answer())
    fail(mesh.api, "cut")
    fail(mesh.local, "500")
    socket = websocket.create_connection(f"ws://{mesh.address}/ws/tts", timeout=10)
    try:
        socket.send(json.dumps({"text": TEXT, "format": "pcm", "language": "en"}))
        audio, events = b"", []
        while not events or events[-1]["event"] != "end":
            message = socket.recv()
            if isinstance(message, bytes):
                audio += message
            else:
                events.append(json.loads(message))
    finally:
        socket.shutdown()
    assert events[0]["engine"] == "fish-api"
    assert events[-1]["engine"] == "kokoro"
    assert events[-1]["fallback"] == "fish-api; reason=cut, fish-local; reason=http_500"
    assert heard(audio) == SENTENCES


def test_a_finished_file_is_one_voice(mesh: Mesh) -> None:
    mesh.api.script += [Answer(), Answer()]
    fail(mesh.api, "cut")
    answer = mesh.say(path="/api/tts/batch")
    assert answer.headers["X-Engine"] == "fish-local"
    assert answer.headers["X-Fallback"] == "fish-api; reason=cut"
    assert heard(answer.content) == SENTENCES
    assert mesh.local.texts() == SENTENCES


def test_sound_comes_sentence_by_sentence(mesh: Mesh) -> None:
    gate = threading.Semaphore(0)
    mesh.api.script += [Answer(), Answer(gate=gate)]
    request = {"text": TEXT, "format": "pcm", "language": "en"}
    url = f"http://{mesh.address}/synthesize"
    with requests.post(url, json=request, stream=True, timeout=30) as answer:
        first = answer.raw.read(24_000)
        assert len(first) == 24_000
        assert len(mesh.api.received) <= 2, "the third sentence is not even asked for"
        for _ in range(1000):
            gate.release()
        rest = answer.raw.read()
    assert heard(first + rest) == SENTENCES


def test_the_circuit_opens_and_closes(mesh: Mesh) -> None:
    """Three failures; then the API is passed over without being asked, until it is back."""
    fail(mesh.api, "500")
    for _ in range(3):
        assert mesh.say("One.").headers["X-Fallback"] == "fish-api; reason=http_500"
    asked = len(mesh.api.received)
    assert mesh.say("One.").headers["X-Fallback"] == "fish-api; reason=circuit_open"
    assert len(mesh.api.received) == asked
    assert REGISTRY.get_sample_value("voice_circuit_open", {"engine": "fish-api"}) == 1
    mesh.api.answer = Answer()
    back = _until(lambda: mesh.say("One.").headers.get("X-Fallback") is None)
    assert back, "it is tried again after its cooldown"
    assert len(mesh.api.received) == asked + 1
    assert REGISTRY.get_sample_value("voice_circuit_open", {"engine": "fish-api"}) == 0
    assert mesh.say("One.").headers["X-Engine"] == "fish-api"


def test_a_hanging_server_delays_nobody_once_it_is_known(mesh: Mesh) -> None:
    fail(mesh.api, "hang")
    for _ in range(3):
        mesh.say("One.")
    asked = len(mesh.api.received)
    assert mesh.say("One.").headers["X-Fallback"] == "fish-api; reason=circuit_open"
    assert len(mesh.api.received) == asked


def test_many_at_once_while_the_first_engines_fail(mesh: Mesh) -> None:
    fail(mesh.api, "cut")
    fail(mesh.local, "429")
    answers: dict[int, requests.Response] = {}

    def ask(number: int) -> None:
        answers[number] = mesh.say(SENTENCES[number % 3])

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(answers[n].headers["X-Engine"] == "kokoro" for n in range(9))
    assert all(heard(answers[n].content) == [SENTENCES[n % 3]] for n in range(9))


def test_what_is_wrong_with_the_request_asks_no_other_engine(mesh: Mesh) -> None:
    answer = mesh.say(temperature=1.7)
    assert answer.status_code == 422
    assert answer.json()["error"]["param"] == "temperature"
    assert not mesh.api.received
    assert not mesh.local.received


def test_where_all_fail_the_last_failure_is_told(mesh: Mesh) -> None:
    fail(mesh.api, "cut")
    answer = mesh.say(model="x")
    assert answer.status_code == 200, "/synthesize has no model"
    speech = {"input": TEXT, "model": "fish-api", "voice": "fish-default"}
    answer = requests.post(f"http://{mesh.address}/v1/audio/speech", json=speech, timeout=30)
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "cut"
    fail(mesh.api, "429")
    answer = requests.post(f"http://{mesh.address}/v1/audio/speech", json=speech, timeout=30)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"]


def test_parameters_that_the_answering_engine_cannot_honour_are_named(mesh: Mesh) -> None:
    fields = {"emotion": "happy", "temperature": 0.6, "top_k": 20}
    assert mesh.say(**fields).headers["X-Ignored-Parameters"] == "top_k"
    fail(mesh.api, "500")
    fail(mesh.local, "500")
    ignored = mesh.say(**fields).headers["X-Ignored-Parameters"]
    assert ignored == "emotion, temperature, top_k"


def test_voices_and_models_tell_the_licences(mesh: Mesh) -> None:
    models = requests.get(f"http://{mesh.address}/v1/models", timeout=10).json()["data"]
    facts = {m["id"]: m for m in models}
    assert facts["fish-local"]["commercial_use"] is False
    assert "non-commercial" in facts["fish-local"]["licence"]
    voices = requests.get(f"http://{mesh.address}/v1/audio/voices", timeout=10).json()["voices"]
    assert {"fish-default", "fish-local-default"} <= {v["id"] for v in voices}
    ready = requests.get(f"http://{mesh.address}/readyz", timeout=10).json()
    assert ready["engines"]["fish-api"]["device"] == "remote"


def test_a_server_that_is_down_at_the_start_is_passed_over(
    tmp_path: Path, restored_logging: None
) -> None:
    down = FishServer("local")
    down.close()
    settings = TtsSettings(
        _env_file=None,
        voicemesh_home=tmp_path,
        tts_engines=("fish-api", "fish-local", "kokoro"),
        fish_local_url=down.url,
    )
    builders = ENGINES.builders(settings.tts_engines, settings)
    builders[2] = ("kokoro", lambda: FakeEngine("kokoro"))
    app = create_app(settings, builders)
    host = app.extensions["tts_service"].host
    assert host.wait_settled(30)
    try:
        client = app.test_client()
        answer = client.post("/synthesize", json={"text": "One.", "language": "en"})
        assert answer.headers["X-Fallback"] == (
            "fish-api; reason=not_loaded, fish-local; reason=not_loaded"
        )
        ready = client.get("/readyz").json
        assert "FISH_API_KEY" in ready["engines"]["fish-api"]["reason"]
        assert "connection_refused" in ready["engines"]["fish-local"]["reason"]
    finally:
        host.close()


@pytest.mark.models
def test_the_real_embedded_engine_at_the_end_of_the_chain(
    tmp_path: Path, models_dir: Path, restored_logging: None
) -> None:
    (tmp_path / "models").symlink_to(models_dir)
    mesh = Mesh(tmp_path)
    try:
        mesh.api.script.append(Answer())
        fail(mesh.api, "cut")
        fail(mesh.local, "hang")
        answer = mesh.say()
        after = heard(answer.content)
        assert after[0] == SENTENCES[0]
        assert not set(after[1:]) & set(SENTENCES), "the rest is speech, no tones"
        seconds = len(answer.content) / 48_000
        assert seconds > 5, "the rest is there: two sentences of some two seconds each"
        spanish = mesh.say("Hola, ¿qué tal estás hoy?", language="es")
        assert spanish.headers["X-Engine"] == "kokoro"
        assert spanish.headers["X-Voice"] == "ef_dora"
        assert "fish-local; reason=" in spanish.headers["X-Fallback"]
    finally:
        mesh.close()


def _until(condition: Callable[[], bool], attempts: int = 40) -> bool:
    """Whether ``condition`` becomes true within some cooldowns."""
    for _ in range(attempts):
        if condition():
            return True
        threading.Event().wait(COOLDOWN_S / 8)
    return False
