"""Streams of OpenAI-compatible servers: what servers leave out, and what is no stream at all."""

import json

import pytest

from shared.core.errors import EngineFailure, MeshError, UpstreamUnavailable
from shared.engines.engine_host import EngineHost
from tests.little_server import LittleServer
from voice_agent.llm import REGISTRY
from voice_agent.llm.base import Message, ReplyOptions
from voice_agent.llm.choice import begin_reply
from voice_agent.settings import AgentSettings

ASK = [Message("user", "Where are you?")]


def sse(*events):
    """Server-sent events of JSON values, or of bytes as they are."""
    return b"".join(
        b"data: " + (e if isinstance(e, bytes) else json.dumps(e).encode()) + b"\n\n"
        for e in events
    )


def said(text, **more):
    return {"choices": [{"index": 0, "delta": {"content": text}, **more}]}


@pytest.fixture
def answering():
    """The engine on a server that gives one answer: a body, or a function of the handler."""
    opened = []

    def start(answer):
        def serve(handler):
            handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
            handler.close_connection = True
            if callable(answer):
                answer(handler)
                return
            handler.send_response(200)
            handler.send_header("Content-Type", "text/event-stream")
            handler.send_header("Connection", "close")
            handler.end_headers()
            handler.wfile.write(answer)

        server = LittleServer(serve)
        opened.append(server)
        settings = AgentSettings(_env_file=None, openai_base_url=server.url, llm_timeout_s=2)
        engine = REGISTRY.build("openai", settings)
        opened.append(engine)
        return engine

    yield start
    for each in reversed(opened):
        each.close()


@pytest.mark.parametrize(
    "event",
    [
        {"choices": []},
        {"choices": None},
        {"choices": [], "usage": {"total_tokens": 9}},
        {"usage": {"total_tokens": 9}},
        {},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {"role": "assistant", "content": None}}]},
        {"choices": [{"index": 0}]},
        {**said(""), "error": None},
    ],
)
def test_an_event_without_text_is_skipped(answering, event):
    stream = sse(event, said("I am "), event, said("here."), event, b"[DONE]")
    assert list(answering(stream).reply(ASK, ReplyOptions())) == ["I am ", "here."]


def test_a_finish_reason_ends_a_reply_without_an_end_marker(answering):
    stream = sse(said("Here."), {"choices": [{"delta": None, "finish_reason": "stop"}]})
    assert list(answering(stream).reply(ASK, ReplyOptions())) == ["Here."]


def broken_off(status, **headers):
    """An answer whose body is shorter than its header declares."""

    def answer(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"short")

    return answer


NO_REPLIES = [
    b"",
    b"<html>It works!</html>",
    sse(b"{broken"),
    sse(b"null"),
    sse([]),
    sse("text"),
    sse(7),
    sse(b"[" * 100_000),
    sse(b"\xff"),
    sse({"choices": {}}),
    sse({"choices": "text"}),
    sse({"choices": [None]}),
    sse({"choices": ["text"]}),
    sse({"choices": [{"delta": "text"}]}),
    sse({"choices": [{"delta": {"content": ["text"]}}]}),
    sse({"choices": [{"delta": {"content": 7}}]}),
    sse({"error": "text"}),
    broken_off(200),
    broken_off(302, Location="/other"),
    broken_off(302, Location="http://["),
    broken_off(404),
    broken_off(500),
    lambda handler: handler.connection.close(),
]


@pytest.mark.parametrize("answer", NO_REPLIES)
def test_what_is_no_reply_is_a_fault_and_the_next_model_answers(answering, answer):
    engine = answering(answer)
    with pytest.raises(MeshError) as caught:
        list(engine.reply(ASK, ReplyOptions()))
    assert caught.value.__cause__ is None or "text" not in str(caught.value.__cause__)

    class Listener:
        def has_clause(self, piece):
            return True

        def has_last_clause(self):
            return False

    fake = REGISTRY.build("fake", AgentSettings(_env_file=None))
    host = EngineHost(
        [("openai", lambda: engine), ("fake", lambda: fake)], queue_limit=1, queue_timeout_s=1
    )
    host.start()
    try:
        assert host.wait_settled(5)
        reply = begin_reply(host, ASK, ReplyOptions(), Listener)
        assert (reply.engine, [each.engine for each in reply.skipped]) == ("fake", ["openai"])
        assert "".join(reply.pieces)
    finally:
        host.close()


@pytest.mark.parametrize(
    ("last", "fault"),
    [(b"{broken", UpstreamUnavailable), ({"error": {"message": "x"}}, EngineFailure)],
)
def test_a_reply_that_goes_wrong_in_its_middle_is_a_fault_after_its_text(answering, last, fault):
    pieces = answering(sse(said("I am "), last)).reply(ASK, ReplyOptions())
    assert next(pieces) == "I am "
    with pytest.raises(fault):
        next(pieces)
