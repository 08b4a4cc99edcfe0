"""The agent's endpoints on a real port, with fakes behind them."""

import base64
import io
import json
import threading

import pytest
import requests

import voice_agent.app as wiring
from shared.core.errors import EngineFailure, InvalidRequest, Overloaded
from shared.http.server.asgi.flask_service import shell_around
from tests.asgi_server import AsgiServer, closing_code, eventually
from tests.unit.voice_agent.conftest import FakeSttClient, FakeTtsClient
from voice_agent import reply as work
from voice_agent.llm.fake import FakeLlm
from voice_agent.settings import AgentSettings


class Running:
    def __init__(self, server, stt, tts, llm):
        self.server, self.stt, self.tts, self.llm = server, stt, tts, llm
        self.client = server.client()


@pytest.fixture
def run(monkeypatch, tmp_path):
    servers, stt, tts = [], FakeSttClient(), FakeTtsClient()
    monkeypatch.setattr(wiring, "SttClient", lambda pool: stt)
    monkeypatch.setattr(wiring, "TtsClient", lambda pool: tts)

    def start(llm=None, **settings):
        llm = llm or FakeLlm(pieces=["Hello, dear friend. ", "All is well."])
        given = AgentSettings(_env_file=None, voicemesh_home=tmp_path, **settings)
        app = wiring.create_app(given, [("fake", lambda: llm)])
        servers.append(AsgiServer(shell_around(app, given), max_message=given.max_body_bytes))
        running = Running(servers[-1], stt, tts, llm)
        eventually(lambda: running.client.get("/readyz").status_code == 200)
        return running

    yield start
    for server in servers:
        server.stop()
    for server in servers:
        server.close()


@pytest.fixture
def connect():
    opened = []

    def make(running, query=""):
        opened.append(running.server.socket(f"/ws{query}"))
        return opened[-1]

    yield make
    for socket in opened:
        socket.shutdown()


def until_end(socket):
    events, audio = [], b""
    while True:
        message = socket.recv()
        if isinstance(message, bytes):
            audio += message
            continue
        events.append(json.loads(message))
        if events[-1]["event"] in ("end", "cancelled", "error"):
            return events, audio


def test_the_classic_dialect_with_memory(run, connect):
    mesh = run()
    socket = connect(mesh)
    for number in range(2):
        socket.send_binary(f"question {number}".encode())
        answer = json.loads(socket.recv())
        assert answer["transcription"] == f"question {number}"
        assert answer["llama"] == "Hello, dear friend. All is well."
        assert answer["llm_engine"] == "fake"
        wav = socket.recv()
        assert wav[:4] == b"RIFF"
        assert int.from_bytes(wav[4:8], "little") == len(wav) - 8
    roles = [m.role for m in mesh.llm.seen[1]]
    assert roles == ["system", "user", "assistant", "user"]


def test_faults_leave_the_socket_open(run, connect):
    mesh = run()
    socket = connect(mesh)
    mesh.stt.fault = Overloaded("busy")
    socket.send_binary(b"q")
    assert json.loads(socket.recv())["error"]["code"] == "overloaded"
    mesh.stt.fault = None
    socket.send_binary(b"silence")
    assert json.loads(socket.recv())["event"] == "no_speech"
    mesh.tts.fault = InvalidRequest("no voice")
    socket.send_binary(b"q")
    assert json.loads(socket.recv())["llama"]
    assert json.loads(socket.recv())["error"]["code"] == "invalid_request"
    mesh.tts.fault = None
    for message in ("no json", "[1]", "[" * 50_000, '{"other": 1}'):
        socket.send(message)
        assert json.loads(socket.recv())["error"]["type"] == "invalid_request_error"
    socket.send_binary(b"q")
    assert json.loads(socket.recv())["transcription"] == "q"
    assert socket.recv()[:4] == b"RIFF"


def test_a_model_that_fails_tells_what_was_heard(run, connect):
    socket = connect(run(FakeLlm(fault=EngineFailure("x"))))
    socket.send_binary(b"q")
    answer = json.loads(socket.recv())
    assert answer["transcription"] == "q"
    assert answer["error"]["code"] == "engine_failure"


def test_the_streaming_dialect(run, connect):
    socket = connect(run(), "?stream=1&language=es")
    socket.send_binary(b"q")
    events, audio = until_end(socket)
    assert events[0] == {
        "event": "transcription",
        "text": "q",
        "language": "es",
        "engine": "ear",
    }
    assert events[-1]["event"] == "end"
    assert audio


def test_a_first_message_switches_to_streaming(run, connect):
    socket = connect(run())
    socket.send(json.dumps({"stream": True, "language": "pt"}))
    socket.send_binary(b"q")
    events, _ = until_end(socket)
    assert events[0]["language"] == "pt"


@pytest.mark.parametrize("how", ["cancel", "new recording"])
def test_interruptions(run, connect, how):
    # More than is made ahead: the model is still writing when it is interrupted.
    mesh = run(FakeLlm(pieces=["This is one sentence. "] * 2 * work.TEXT_AHEAD))
    mesh.tts.hold = threading.Event()
    socket = connect(mesh, "?stream=1")
    socket.send_binary(b"first")
    while json.loads(socket.recv())["event"] != "audio_start":
        pass
    mesh.llm.pieces = ["A short answer."]  # for the next turn
    if how == "cancel":
        socket.send(json.dumps({"event": "cancel"}))
    else:
        socket.send_binary(b"second")
    # Speech is held until the interruption is through: the turn cannot end by itself before it.
    seen = []
    while "cancelled" not in seen:
        message = socket.recv()
        seen.append("audio" if isinstance(message, bytes) else json.loads(message)["event"])
    mesh.tts.hold.set()
    assert mesh.llm.closed_early == 1
    if how == "new recording":
        events, _ = until_end(socket)
        assert events[0]["text"] == "second"


def test_cancelling_says_so_at_once_though_the_model_is_silent(run, connect, monkeypatch):
    monkeypatch.setattr(work, "_LET_GO_S", 0.05)
    silent = threading.Event()

    class Silent(FakeLlm):
        def reply(self, messages, options):
            silent.wait(30)
            yield "Too late."

    socket = connect(run(Silent()), "?stream=1")
    socket.send_binary(b"first")
    assert json.loads(socket.recv())["event"] == "transcription"
    socket.send(json.dumps({"event": "cancel"}))
    assert json.loads(socket.recv()) == {"event": "cancelled"}
    silent.set()
    for thread in threading.enumerate():
        if thread.name == "_write":
            thread.join(10)


def test_a_cancel_without_a_turn_is_confirmed_and_trims_the_memory(run, connect):
    mesh = run(FakeLlm(pieces=["Hello, dear friend. All is well."]))
    socket = connect(mesh, "?stream=1")
    socket.send_binary(b"first")
    until_end(socket)
    # The fake speaks a sample per character at 24 kHz.
    played_ms = 1000 * len("Hello, dear friend.") / 24_000
    socket.send(json.dumps({"event": "cancel", "played_ms": played_ms}))
    assert json.loads(socket.recv()) == {"event": "cancelled"}
    socket.send_binary(b"second")
    until_end(socket)
    assert [m.content for m in mesh.llm.seen[1]][1:] == ["first", "Hello, dear friend.", "second"]


@pytest.mark.parametrize("played", ['"1"', "true", "-1", "NaN", "Infinity", "[]"])
def test_a_wrong_played_ms_is_refused_and_cancels_all_the_same(run, connect, played):
    socket = connect(run(), "?stream=1")
    socket.send(f'{{"event": "cancel", "played_ms": {played}}}')
    assert json.loads(socket.recv())["error"]["param"] == "played_ms"
    assert json.loads(socket.recv()) == {"event": "cancelled"}


def test_errors_of_the_streaming_dialect(run, connect):
    mesh = run()
    mesh.stt.fault = Overloaded("busy")
    socket = connect(mesh, "?stream=1")
    socket.send_binary(b"q")
    events, _ = until_end(socket)
    assert events[-1]["error"]["code"] == "overloaded"


def test_too_large_a_recording(run, connect):
    socket = connect(run(max_body_bytes=2048))
    socket.send_binary(b"x" * 2100)
    assert closing_code(socket)[0] == 1009


def test_an_idle_socket_is_closed(run, connect):
    socket = connect(run(idle_timeout_s=0.2))
    assert closing_code(socket) == (1000, "idle")


def test_converse_as_wav(run):
    answer = run().client.post("/api/converse", files={"audio_file": ("q.wav", io.BytesIO(b"q"))})
    assert answer.status_code == 200
    assert answer.mimetype == "audio/wav"
    assert answer.headers["X-Engine"] == "mouth"
    assert answer.headers["X-Language"] == "en"
    body = answer.data
    assert body[:4] == b"RIFF"
    assert len(body) > 44


def test_converse_as_json(run):
    answer = run().client.post(
        "/api/converse", data=b"q", content_type="audio/wav", headers={"Accept": "application/json"}
    )
    assert answer.json["transcription"] == "q"
    assert base64.b64decode(answer.json["audio"])[:4] == b"RIFF"
    assert answer.json["tts_engine"] == "mouth"
    assert "stt" in answer.json["times"]


@pytest.mark.parametrize("accept", ["audio/wav", "application/json"])
def test_converse_faults(run, accept):
    mesh = run()
    headers = {"Accept": accept}
    nothing = mesh.client.post("/api/converse", data=b"", headers=headers)
    assert nothing.json["error"]["code"] == "empty_audio"
    unnamed = mesh.client.post(
        "/api/converse", files={"x": ("q.wav", io.BytesIO(b"q"))}, headers=headers
    )
    assert unnamed.status_code == 422
    mesh.stt.fault = Overloaded("busy")
    busy = mesh.client.post("/api/converse", data=b"q", headers=headers)
    assert busy.status_code == 503
    assert busy.headers["Retry-After"]
    mesh.stt.fault = None
    mesh.tts.fault = InvalidRequest("no voice")
    mute = mesh.client.post("/api/converse", data=b"q", headers=headers)
    if accept == "audio/wav":
        assert mute.status_code == 422
    else:
        assert mute.json["error"]["code"] == "invalid_request"
        assert mute.json["llama"]


def test_converse_of_silence_and_of_a_broken_model(run):
    silent = run().client.post("/api/converse", data=b"silence")
    assert silent.json["error"]["code"] == "no_speech"
    broken = run(FakeLlm(fault=EngineFailure("x")))
    assert broken.client.post("/api/converse", data=b"q").status_code == 500
    mute = run(FakeLlm(pieces=["..."]))
    assert mute.client.post("/api/converse", data=b"q").json["error"]["code"] == "empty_reply"


def test_a_reply_cut_in_the_middle_drops_the_connection(run):
    mesh = run(FakeLlm(pieces=["One sentence is here. "] * 20))
    mesh.tts.fault, mesh.tts.fault_after = EngineFailure("x"), 2
    with mesh.client.stream("/api/converse", "POST", data=b"q") as answer:
        assert answer.status_code == 200
        with pytest.raises(requests.RequestException):
            assert answer.content


def test_models_and_status(run):
    client = run().client
    assert client.get("/v1/models").json["data"][0]["task"] == "chat"
    assert client.get("/").json["status"] == "online"
    assert "/api/converse" in client.get("/openapi.json").json["paths"]


def test_only_sockets_with_a_turn_count(run, connect):
    mesh = run(max_sessions=1)
    mesh.tts.hold = threading.Event()
    busy, classic, streaming = connect(mesh, "?stream=1"), connect(mesh), connect(mesh, "?stream=1")
    busy.send_binary(b"first")
    while json.loads(busy.recv())["event"] != "audio_start":
        pass
    for other in (classic, streaming):
        other.send_binary(b"second")
        assert json.loads(other.recv())["error"]["code"] == "overloaded"
    mesh.tts.hold.set()
    assert until_end(busy)[0][-1]["event"] == "end"

    def served():
        classic.send_binary(b"second")
        return "error" not in json.loads(classic.recv())

    eventually(served)
    assert classic.recv()[:4] == b"RIFF"


def test_a_client_that_leaves_during_a_turn_frees_its_place(run, connect):
    mesh = run(FakeLlm(pieces=["This is one sentence. "] * 50), max_sessions=1)
    mesh.tts.hold = threading.Event()
    leaving = connect(mesh, "?stream=1")
    leaving.send_binary(b"first")
    while json.loads(leaving.recv())["event"] != "audio_start":
        pass
    leaving.shutdown()
    mesh.tts.hold.set()
    mesh.llm.pieces = ["A short answer."]
    socket = connect(mesh, "?stream=1")

    def served():
        socket.send_binary(b"second")
        return "error" not in json.loads(socket.recv())

    eventually(served)
    until_end(socket)
