"""One contract for every language model, and the faults of those behind a URL.

Ollama and the OpenAI-compatible server are little servers on loopback that speak the wire format;
the clients are the real ones.
"""

import json
import threading
import time

import pytest

from shared.core.errors import (
    EngineFailure,
    MeshError,
    NotReady,
    TooLarge,
    UnknownModel,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.little_server import LittleServer
from voice_agent.llm import REGISTRY
from voice_agent.llm.base import Message, ReplyOptions
from voice_agent.memory import Conversation
from voice_agent.settings import AgentSettings

ASK = [Message("system", "Answer briefly."), Message("user", "What is the capital of France?")]
PIECES = ["The capital ", "is ", "Paris."]


class Server(LittleServer):
    """Answers paths with functions of (handler, body); remembers what it was asked."""

    def __init__(self):
        self.asked = []
        self.answers = {}
        super().__init__(self._answer)

    def _answer(self, handler):
        length = int(handler.headers.get("Content-Length") or 0)
        body = json.loads(handler.rfile.read(length) or b"{}")
        self.asked.append((handler.path, body, dict(handler.headers)))
        handler.close_connection = True
        self.answers[handler.path](handler, body)


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()


def lines(handler, items, status=200, kind="application/x-ndjson"):
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Connection", "close")
    handler.end_headers()
    for item in items:
        handler.wfile.write(item if isinstance(item, bytes) else json.dumps(item).encode() + b"\n")
        handler.wfile.flush()


def ollama_chat(pieces=PIECES, *, done=True, thinking=False):
    rows = []
    for piece in pieces:
        message = {"role": "assistant", "content": piece}
        if thinking:
            rows.append({"model": "m", "message": {**message, "content": "", "thinking": "hm"}})
        rows.append({"model": "m", "message": message, "done": False})
    if done:
        last = {"role": "assistant", "content": ""}
        rows.append({"model": "m", "message": last, "done": True, "done_reason": "stop"})
    return lambda handler, body: lines(handler, rows)


def openai_chat(pieces=PIECES, *, done=True):
    rows = [
        {"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
        for piece in pieces
    ]
    events = [b"data: " + json.dumps(row).encode() + b"\n\n" for row in rows]
    if done:
        events.append(b"data: [DONE]\n\n")
    return lambda handler, body: lines(handler, events, kind="text/event-stream")


def has_models(*names):
    return lambda handler, body: lines(
        handler, [{"models": [{"model": name, "name": name} for name in names]}]
    )


def settings(**values):
    return AgentSettings(_env_file=None, llama_model="m", llm_timeout_s=2, **values)


_embedded = []


@pytest.fixture(
    params=[*REGISTRY.names[:2], pytest.param("embedded", marks=pytest.mark.models), "fake"]
)
def engine(request, server):
    name = request.param
    if missing := REGISTRY.missing(name):
        pytest.skip(f"{name} needs {missing}")
    if name == "embedded":
        request.getfixturevalue("models_dir")
        if not _embedded:
            built = REGISTRY.build(name, settings())
            built.load()
            built.warm_up()
            _embedded.append(built)
        yield _embedded[0]
        return
    server.answers = {
        "/api/chat": ollama_chat(),
        "/api/tags": has_models("m"),
        "/v1/chat/completions": openai_chat(),
    }
    built = REGISTRY.build(
        name, settings(llama_endpoint=server.url, openai_base_url=f"{server.url}/v1")
    )
    built.load()
    built.warm_up()
    yield built
    built.close()


class TestContract:
    def test_it_replies_in_pieces(self, engine):
        pieces = list(engine.reply(ASK, ReplyOptions(max_tokens=40, temperature=0.0)))
        assert len(pieces) > 1
        assert all(isinstance(piece, str) and piece for piece in pieces)
        if engine.spec.name in ("ollama", "openai"):
            assert pieces == PIECES

    def test_it_is_available_and_described(self, engine):
        assert engine.unavailable() == ""
        assert engine.spec.licence
        assert engine.spec.max_concurrency >= 1

    def test_closing_stops_it_and_the_next_reply_works(self, engine):
        first = engine.reply(ASK, ReplyOptions(max_tokens=200))
        next(first)
        first.close()
        assert list(engine.reply(ASK, ReplyOptions(max_tokens=10)))


@pytest.mark.models
class TestEmbedded:
    @pytest.fixture
    def embedded(self, models_dir):
        if not _embedded:
            built = REGISTRY.build("embedded", settings())
            built.load()
            _embedded.append(built)
        return _embedded[0]

    def test_max_tokens_is_kept(self, embedded):
        pieces = list(
            embedded.reply([Message("user", "Tell a story.")], ReplyOptions(max_tokens=8))
        )
        assert len(pieces) <= 9

    def test_closing_aborts_the_generation(self, embedded):
        reply = embedded.reply([Message("user", "Tell a story.")], ReplyOptions(max_tokens=1500))
        next(reply)
        reply.close()
        assert not [t for t in threading.enumerate() if t.name == "llm"]

    def test_too_long_a_question_is_refused_not_a_crash(self, embedded):
        with pytest.raises(TooLarge) as caught:
            list(embedded.reply([ASK[0], Message("user", "word " * 9000)], ReplyOptions()))
        assert caught.value.code == "context_exceeded"
        assert list(embedded.reply(ASK, ReplyOptions(max_tokens=4)))

    @pytest.mark.parametrize(
        ("language", "said"),
        [
            ("es", "¿Qué tiempo hará mañana en la ciudad? Me gustaría saber si va a llover. "),
            ("zh", "明天城里的天气怎么样？我想知道下午会不会下雨。"),
            ("ko", "내일 도시의 날씨는 어떨까요? 오후에 비가 올지 알고 싶어요. "),
        ],
    )
    def test_a_long_conversation_goes_on_in_any_language(self, embedded, language, said):
        conversation = Conversation(12, 2048 - 160)
        for number in range(15):
            turn = conversation.begin(said * 4, language)
            if number == 14:
                break
            conversation.heard(turn, said * 8)
            conversation.end(turn)
        messages = conversation.messages()
        assert len(messages) > 4, "the memory is to be full enough to be worth a test"
        assert list(embedded.reply(messages, ReplyOptions(max_tokens=4)))

    def test_two_at_once(self, embedded):
        texts = {}

        def ask(word):
            # Examples: a model this small copies reliably and follows an instruction only mostly.
            asked = [
                Message("user" if i % 2 == 0 else "assistant", text)
                for shown in ("bread", "window", "horse")
                for i, text in enumerate((f"Say the word {shown} five times.", f"{shown} " * 5))
            ]
            asked.append(Message("user", f"Say the word {word} five times."))
            texts[word] = "".join(embedded.reply(asked, ReplyOptions(12, 0.0))).lower()

        threads = [threading.Thread(target=ask, args=(w,)) for w in ("apple", "river")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert "apple" in texts["apple"]
        assert "apple" not in texts["river"]
        assert "river" in texts["river"]


def test_a_model_file_that_is_not_there_or_is_none(tmp_path):
    with pytest.raises(NotReady):
        REGISTRY.build("embedded", settings(llm_gguf_path=tmp_path / "no.gguf")).load()
    with pytest.raises(NotReady, match="mesh download"):
        REGISTRY.build("embedded", settings(voicemesh_home=tmp_path)).load()


@pytest.mark.parametrize("name", ["ollama", "openai"])
def test_a_model_nearby_is_not_asked_through_the_environments_proxy(name, server, monkeypatch):
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    server.answers = {
        "/api/tags": has_models("m"),
        "/api/chat": ollama_chat(),
        "/v1/chat/completions": openai_chat(),
    }
    built = REGISTRY.build(
        name, settings(llama_endpoint=server.url, openai_base_url=f"{server.url}/v1")
    )
    built.load()
    assert built.unavailable() == ""
    assert list(built.reply(ASK, ReplyOptions())) == PIECES
    built.close()


class TestOllama:
    @pytest.fixture
    def ollama(self, server):
        server.answers = {"/api/tags": has_models("m:latest")}
        built = REGISTRY.build("ollama", settings(llama_endpoint=server.url))
        built.load()
        yield built
        built.close()

    def test_messages_and_options_go_along_and_thinking_is_dropped(self, server, ollama):
        server.answers["/api/chat"] = ollama_chat(thinking=True)
        assert list(ollama.reply(ASK, ReplyOptions(max_tokens=33))) == PIECES
        _, body, _ = server.asked[-1]
        assert body["messages"] == [message.as_dict() for message in ASK]
        assert body["options"]["num_predict"] == 33
        assert body["options"]["num_ctx"] == 2048
        assert body["think"] is False

    @pytest.mark.parametrize(
        ("answer", "fault"),
        [
            (ollama_chat(done=False), UpstreamUnavailable),
            (lambda h, b: lines(h, [{"error": "out of memory"}]), EngineFailure),
            (lambda h, b: lines(h, [b"no json\n"]), UpstreamUnavailable),
            (lambda h, b: lines(h, [{"error": "model not found"}], 404), UnknownModel),
            (lambda h, b: lines(h, [{"error": "busy"}], 503), UpstreamUnavailable),
            (lambda h, b: h.connection.close(), UpstreamUnavailable),
        ],
    )
    def test_faults(self, server, ollama, answer, fault):
        server.answers["/api/chat"] = answer
        with pytest.raises(fault):
            list(ollama.reply(ASK, ReplyOptions()))

    def test_an_error_line_in_mid_stream(self, server, ollama):
        rows = [{"model": "m", "message": {"role": "assistant", "content": "Yes"}}, {"error": "x"}]
        server.answers["/api/chat"] = lambda h, b: lines(h, rows)
        reply = ollama.reply(ASK, ReplyOptions())
        assert next(reply) == "Yes"
        with pytest.raises(EngineFailure):
            next(reply)

    def test_silence_is_a_timeout(self, server):
        release = threading.Event()
        server.answers = {"/api/chat": lambda h, b: release.wait(10)}
        built = REGISTRY.build(
            "ollama",
            AgentSettings(
                _env_file=None, llama_model="m", llm_timeout_s=0.2, llama_endpoint=server.url
            ),
        )
        built.load()
        with pytest.raises(UpstreamTimeout):
            list(built.reply(ASK, ReplyOptions()))
        release.set()
        built.close()

    def test_nobody_there(self):
        built = REGISTRY.build("ollama", settings(llama_endpoint="http://127.0.0.1:9"))
        built.load()
        assert built.unavailable() == "not reachable"
        with pytest.raises(UpstreamUnavailable):
            list(built.reply(ASK, ReplyOptions()))
        built.close()

    def test_it_is_asked_at_most_once_in_a_while(self, server, ollama):
        ollama.unavailable()
        ollama.unavailable()
        assert [path for path, _, _ in server.asked] == ["/api/tags"]

    def test_a_missing_model_is_pulled_in_the_background(self, server):
        have, go_on = ["other"], threading.Event()

        def tags(handler, body):
            has_models(*have)(handler, body)

        def pull(handler, body):
            assert body["model"] == "m"
            lines(handler, [{"status": "pulling", "total": 100, "completed": 40}])
            go_on.wait(10)
            have.append("m")

        server.answers = {
            "/api/tags": tags,
            "/api/pull": pull,
            "/api/chat": ollama_chat(),
        }
        clock = [0.0]
        built = REGISTRY.build("ollama", settings(llama_endpoint=server.url))
        built._clock = lambda: clock[0]
        built.load()
        assert built.unavailable().startswith("pulling m")
        while "40%" not in built.unavailable():
            time.sleep(0.01)
        go_on.set()
        built._pull.join(10)
        assert built.unavailable() == ""
        assert list(built.reply(ASK, ReplyOptions())) == PIECES
        built.close()

    def test_a_pull_that_fails_is_said(self, server):
        server.answers = {
            "/api/tags": has_models(),
            "/api/pull": lambda h, b: lines(h, [{"error": "no such model"}]),
        }
        built = REGISTRY.build("ollama", settings(llama_endpoint=server.url))
        clock = [0.0]
        built._clock = lambda: clock[0]
        built.load()
        built.unavailable()
        built._pull.join(10)
        assert built._pull_state == "could not pull m"
        built.close()


class TestOpenAi:
    def make(self, server, **values):
        built = REGISTRY.build("openai", settings(openai_base_url=f"{server.url}/v1", **values))
        built.load()
        return built

    def test_key_model_and_limits_go_along(self, server):
        server.answers = {"/v1/chat/completions": openai_chat()}
        built = self.make(server, openai_api_key="k", openai_model="gpt-x")
        assert "".join(built.reply(ASK, ReplyOptions(max_tokens=5))) == "".join(PIECES)
        _, body, headers = server.asked[-1]
        assert (body["model"], body["max_tokens"], body["stream"]) == ("gpt-x", 5, True)
        assert headers["Authorization"] == "Bearer k"
        built.close()

    @pytest.mark.parametrize(
        ("answer", "fault"),
        [
            (openai_chat(done=False), UpstreamUnavailable),
            (lambda h, b: lines(h, [b'data: {"error": {"message": "x"}}\n\n']), EngineFailure),
            (lambda h, b: lines(h, [b"data: {broken\n\n"]), UpstreamUnavailable),
            (lambda h, b: lines(h, [{"error": {}}], 404), UnknownModel),
            (lambda h, b: lines(h, [{"error": {}}], 429), UpstreamUnavailable),
            (lambda h, b: h.connection.close(), UpstreamUnavailable),
        ],
    )
    def test_faults(self, server, answer, fault):
        server.answers = {"/v1/chat/completions": answer}
        built = self.make(server)
        with pytest.raises(fault):
            list(built.reply(ASK, ReplyOptions()))
        built.close()

    def test_a_url_is_needed(self):
        with pytest.raises(NotReady, match="OPENAI_BASE_URL"):
            REGISTRY.build("openai", settings()).load()

    def test_every_fault_is_one_of_ours(self):
        built = REGISTRY.build("openai", settings(openai_base_url="http://127.0.0.1:9"))
        with pytest.raises(MeshError):
            list(built.reply(ASK, ReplyOptions()))
        built.close()
