"""One turn on fakes: order, overlap, faults in each stage, cancellation, memory."""

import threading
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from shared.core.errors import (
    EngineFailure,
    InvalidRequest,
    NotReady,
    Overloaded,
    UpstreamUnavailable,
)
from shared.core.log import request_id
from voice_agent import reply as work
from voice_agent.events import (
    Audio,
    Ended,
    Fault,
    Heard,
    ReplyText,
)
from voice_agent.llm.fake import FakeLlm
from voice_agent.memory import Conversation
from voice_agent.responses import Collected, stream_messages
from voice_agent.turn import Question, run_turn

TWO = ["Hello there, my friend. ", "This is the second ", "sentence of the reply."]


def memory():
    return Conversation(4, 1000)


def run(parts, text="a question", conversation=None, **kwargs):
    return list(run_turn(parts, Question(text.encode(), **kwargs), conversation or memory()))


def collected(events):
    turn = Collected()
    for event in events:
        turn.add(event)
    return turn


def test_a_turn_in_order(make_parts):
    parts = make_parts(FakeLlm(pieces=TWO))
    events = run(parts)
    assert isinstance(events[0], Heard)
    assert isinstance(events[-1], Ended)
    assert {"stt", "llm_first_token", "tts_first_audio", "llm"} <= set(events[-1].times)
    turn = collected(events)
    assert turn.written.text == "".join(TWO)
    assert turn.begins.engine == "mouth"
    said = " ".join(text for text, _, _ in parts.tts.spoken)
    assert said == "".join(TWO)
    assert sum(len(c) for c in turn.chunks) == sum(len(t) for t, _, _ in parts.tts.spoken)
    wav = turn.wav()
    assert wav[:4] == b"RIFF"
    assert int.from_bytes(wav[40:44], "little") == len(wav) - 44


def test_services_and_models_are_asked_under_the_request_id_of_the_turn(make_parts):
    heard = []

    class Listening(FakeLlm):
        def reply(self, messages, options):
            heard.append(("llm", request_id.get()))
            return super().reply(messages, options)

    parts = make_parts(Listening(pieces=["Hello there."]))
    speak = parts.tts.speak

    def listening(*args, **kwargs):
        heard.append(("tts", request_id.get()))
        return speak(*args, **kwargs)

    parts.tts.speak = listening
    token = request_id.set("req-1")
    try:
        run(parts)
    finally:
        request_id.reset(token)
    assert heard == [("llm", "req-1"), ("tts", "req-1")]


def test_speech_begins_while_the_model_still_writes(make_parts):
    go_on = threading.Event()

    class Slow(FakeLlm):
        def reply(self, messages, options):
            yield "First sentence is complete. And "
            assert go_on.wait(10), "the first clause was not spoken while the model waited"
            yield "the second one too."

    for event in run_turn(make_parts(Slow()), Question(b"q"), memory()):
        if isinstance(event, Audio):
            go_on.set()
    assert go_on.is_set()


def test_silence_gets_no_answer(make_parts):
    llm = FakeLlm()
    events = run(make_parts(llm), "silence")
    assert [type(e) for e in events] == [Heard, Ended]
    assert llm.seen == []
    assert collected(events).answer().event == "no_speech"


def test_recognition_that_fails_raises_and_is_not_remembered(make_parts):
    parts = make_parts()
    parts.stt.fault = Overloaded("busy")
    conversation = memory()
    with pytest.raises(Overloaded):
        run(parts, conversation=conversation)
    assert len(conversation.messages()) == 1


def test_a_model_that_fails_before_its_first_piece(make_parts):
    turn = collected(run(make_parts(FakeLlm(fault=EngineFailure("x")))))
    assert turn.fault("llm").code == "engine_failure"
    assert turn.written is None
    assert turn.chunks == []


def test_a_model_that_breaks_off_leaves_what_was_spoken(make_parts):
    llm = FakeLlm(pieces=TWO, fault=UpstreamUnavailable("x"), fault_after=2)
    events = run(make_parts(llm))
    turn = collected(events)
    assert turn.fault("llm").code == "upstream_unavailable"
    assert turn.written is None, "a reply that was cut must not look whole"
    assert isinstance(events[-1], Ended)


def test_speech_that_fails_leaves_the_text(make_parts):
    parts = make_parts(FakeLlm(pieces=TWO))
    parts.tts.fault = InvalidRequest("no such language")
    conversation = memory()
    turn = collected(run(parts, conversation=conversation))
    assert turn.fault("tts").code == "invalid_request"
    assert turn.written.text == "".join(TWO)
    assert turn.wav() is None
    assert conversation.messages()[-1].content.startswith("Hello there")


def test_speech_that_fails_half_way(make_parts):
    parts = make_parts(FakeLlm(pieces=TWO))
    parts.tts.fault, parts.tts.fault_after = UpstreamUnavailable("x"), 1
    turn = collected(run(parts))
    assert turn.fault("tts")
    assert len(parts.tts.spoken) == 1


def test_closing_cancels_model_and_speech_and_keeps_what_was_heard(make_parts):
    # More than is made ahead: the model is still writing when the turn is closed.
    llm = FakeLlm(pieces=["One sentence is here. "] * 2 * work.TEXT_AHEAD)
    llm.spec = replace(llm.spec, max_concurrency=1)
    parts = make_parts(llm)
    conversation = memory()
    events = run_turn(parts, Question(b"q"), conversation)
    for event in events:
        if isinstance(event, Audio) and event.clause:
            break
    events.close()
    assert llm.closed_early == 1
    assert conversation.messages()[-1].content == "One sentence is here."
    # The engine's only place was freed.
    llm.pieces = TWO
    again = collected(run(parts, "again", conversation))
    assert not again.faults
    assert again.written.text == "".join(TWO)


def test_a_model_without_an_end_is_slowed_down_by_its_listener(make_parts):
    made = []

    class Endless(FakeLlm):
        def reply(self, messages, options):
            for number in range(10 * work.TEXT_AHEAD):
                made.append(number)
                yield "word "

    events = run_turn(make_parts(Endless()), Question(b"q"), memory())
    for _ in range(3):
        next(events)
    threading.Event().wait(0.5)
    assert len(made) < 3 * work.TEXT_AHEAD
    events.close()


def test_speech_is_made_only_a_little_ahead_of_its_listener(make_parts):
    parts = make_parts(FakeLlm(pieces=["One sentence is here. "] * 400))
    events = run_turn(parts, Question(b"q"), memory())
    for _ in range(3):
        next(events)
    threading.Event().wait(0.5)
    assert len(parts.tts.spoken) <= work.AUDIO_AHEAD + 2
    said = [event.clause for event in events if isinstance(event, Audio)]
    assert len(said) == 400


@pytest.mark.parametrize("slow", ["listener", "speech"])
def test_a_model_is_free_again_once_it_has_written(make_parts, slow):
    """Its place is not kept while speech is made or while a client does not read."""
    llm = FakeLlm(pieces=["One sentence is here. "] * 100)
    llm.spec = replace(llm.spec, max_concurrency=1)
    parts = make_parts(llm)
    if slow == "speech":
        parts.tts.hold = threading.Event()
    first = run_turn(parts, Question(b"q"), memory())
    assert isinstance(next(first), Heard)
    assert isinstance(next(first), ReplyText)
    # The host lets a caller wait for one second at most.
    second = run_turn(parts, Question(b"q"), memory())
    assert isinstance(next(second), Heard)
    assert isinstance(next(second), ReplyText)
    if slow == "speech":
        parts.tts.hold.set()
    first.close()
    second.close()


def test_markup_is_not_spoken_but_kept_in_the_text(make_parts):
    parts = make_parts(FakeLlm(pieces=["**Bold** words 🎉. ", "```py\nx=1\n``", "`\nDone now."]))
    turn = collected(run(parts))
    said = " ".join(text for text, _, _ in parts.tts.spoken)
    assert "Bold words" in said
    assert "x=1" not in said
    assert "🎉" not in said
    assert "**Bold**" in turn.written.text


def test_another_sample_rate_in_mid_reply_is_resampled(make_parts):
    parts = make_parts(FakeLlm(pieces=TWO))
    parts.tts.rates = [24_000, 12_000]
    turn = collected(run(parts))
    first, rest = parts.tts.spoken[0][0], parts.tts.spoken[1:]
    expected = len(first) + 2 * sum(len(text) for text, _, _ in rest)
    assert abs(sum(len(c) for c in turn.chunks) - expected) <= 4 * len(rest)


@pytest.mark.parametrize(
    ("voice", "language", "asked"),
    [
        ("", "es", None),
        ("woman", "es", "lady"),
        ("man", "en", "sir"),
        ("man", "es", None),
        ("af_sky", "es", "af_sky"),
    ],
)
def test_the_voice_of_a_reply(make_parts, voice, language, asked):
    parts = make_parts(FakeLlm(pieces=["Hi."]), voice=voice)
    parts.stt.language = language
    run(parts)
    assert parts.tts.spoken == [("Hi.", language, asked)]


def test_a_missing_catalogue_does_not_stop_speech(make_parts):
    parts = make_parts(FakeLlm(pieces=["Hi."]), voice="man")
    parts.tts.catalogue = UpstreamUnavailable("x")
    run(parts)
    assert parts.tts.spoken[0][2] is None


def test_the_next_model_answers_and_the_reply_says_so(make_parts):
    first = FakeLlm("first", why="not reachable")
    second = FakeLlm("second", fault=UpstreamUnavailable("x"))
    third = FakeLlm("third", pieces=["I am third."])
    turn = collected(run(make_parts(first, second, third)))
    assert turn.written.engine == "third"
    assert [(p.engine, p.reason) for p in turn.written.skipped] == [
        ("first", "not reachable"),
        ("second", "upstream_unavailable"),
    ]
    assert turn.answer().llm_skipped[0] == {"engine": "first", "reason": "not reachable"}


def test_no_model_at_all(make_parts):
    turn = collected(run(make_parts(FakeLlm(why="not reachable"))))
    assert isinstance(turn.fault("llm"), NotReady)


def test_the_messages_of_the_streaming_dialect(make_parts):
    messages = list(stream_messages(run(make_parts(FakeLlm(pieces=["Hi there."])))))
    names = [m["event"] for m in messages if isinstance(m, dict)]
    assert names[0] == "transcription"
    assert names[-1] == "end"
    assert {"delta", "reply", "audio_start"} <= set(names)
    audio = b"".join(m for m in messages if isinstance(m, bytes))
    assert len(audio) == 2 * len("Hi there.")
    (fault,) = stream_messages([Fault("tts", EngineFailure("x"))])
    assert fault["event"] == "error"
    assert fault["stage"] == "tts"
    assert fault["error"]["code"] == "engine_failure"


def test_a_model_that_breaks_off_before_anything_could_be_spoken_is_passed_over(make_parts):
    first = FakeLlm(
        "first", pieces=["Hello ", "the"], fault=UpstreamUnavailable("x"), fault_after=2
    )
    second = FakeLlm("second", pieces=["I am second."])
    parts = make_parts(first, second)
    events = run(parts)
    assert [e.delta for e in events if isinstance(e, ReplyText)] == ["I am second."]
    turn = collected(events)
    assert [(p.engine, p.reason) for p in turn.written.skipped] == [
        ("first", "upstream_unavailable")
    ]
    assert [text for text, _, _ in parts.tts.spoken] == ["I am second."]
    assert turn.faults == []


def test_the_first_token_is_that_of_the_model_that_answers(make_parts):
    class Late(FakeLlm):
        def reply(self, messages, options):
            threading.Event().wait(0.3)
            yield "I am late."

    first = FakeLlm("first", ["Hello "], fault=UpstreamUnavailable("x"), fault_after=1)
    assert run(make_parts(first, Late("late")))[-1].times["llm_first_token"] >= 0.3


@pytest.mark.parametrize("pieces", [[], ["..."], ["<think>", "hm hm hm"], ["🎉"]])
def test_a_model_that_writes_nothing_to_speak_is_passed_over(make_parts, pieces):
    parts = make_parts(FakeLlm("first", pieces=pieces), FakeLlm("second", pieces=["Yes."]))
    turn = collected(run(parts))
    assert turn.written.text == "Yes."
    assert [(p.engine, p.reason) for p in turn.written.skipped] == [("first", "empty_reply")]
    only = collected(run(make_parts(FakeLlm("only", pieces=pieces))))
    assert only.fault("llm").code == "empty_reply"
    assert only.written is None


def test_once_a_clause_is_spoken_no_other_model_is_asked(make_parts):
    first = FakeLlm("first", pieces=TWO, fault=UpstreamUnavailable("x"), fault_after=2)
    second = FakeLlm("second")
    turn = collected(run(make_parts(first, second)))
    assert turn.fault("llm").code == "upstream_unavailable"
    assert second.seen == []


def test_each_fallback_is_counted_by_a_reason_of_which_there_are_few(make_parts):
    def count(reason):
        labels = {"from": "first", "to": "second", "reason": reason}
        return REGISTRY.get_sample_value("voice_fallback_total", labels) or 0.0

    for why, label in [
        ("pulling llama3.2:3b: 40%", "pulling"),
        ("not reachable", "not_reachable"),
        ("could not pull llama3.2:3b", "could_not_pull"),
    ]:
        before = count(label)
        run(make_parts(FakeLlm("first", why=why), FakeLlm("second")))
        assert count(label) == before + 1


def test_a_passed_over_model_frees_its_place(make_parts):
    first = FakeLlm("first", pieces=["Hi"], fault=EngineFailure("x"), fault_after=1)
    parts = make_parts(first, FakeLlm("second"))
    # More turns than the engine has places; one that stayed taken would make them wait and fail.
    reasons = {collected(run(parts)).written.skipped[0].reason for _ in range(6)}
    assert reasons == {"engine_failure"}


def test_a_long_first_sentence_is_cut_early(make_parts):
    parts = make_parts(
        FakeLlm(
            pieces=[
                "If you want to see the old town, take the tram from the station in the morning, ",
                "for it is crowded later.",
            ]
        )
    )
    run(parts)
    first = parts.tts.spoken[0][0]
    assert first == "If you want to see the old town,"


class Hanging(FakeLlm):
    """Silent like a service that does not answer, until released."""

    def __init__(self):
        super().__init__()
        self.release = threading.Event()
        self.asked = threading.Event()

    def reply(self, messages, options):
        self.asked.set()
        self.release.wait(30)
        yield "Too late to be heard."


def test_cancelling_does_not_wait_for_a_silent_model(make_parts, monkeypatch):
    monkeypatch.setattr(work, "_LET_GO_S", 0.05)
    llm, cancelled, seen = Hanging(), threading.Event(), []
    conversation = memory()
    turn = run_turn(make_parts(llm), Question(b"q"), conversation, cancelled)
    listener = threading.Thread(target=lambda: seen.extend(turn))
    listener.start()
    assert llm.asked.wait(10)
    cancelled.set()
    listener.join(10)
    assert not listener.is_alive(), "the turn waited for the model"
    assert [type(event) for event in seen] == [Heard]
    assert len(conversation.messages()) == 1
    llm.release.set()
    for thread in threading.enumerate():
        if thread.name == "_write":
            thread.join(10)


def test_a_turn_cancelled_during_recognition_asks_no_model(make_parts):
    llm, cancelled = FakeLlm(), threading.Event()
    cancelled.set()
    assert list(run_turn(make_parts(llm), Question(b"q"), memory(), cancelled)) == []
    assert llm.seen == []


def test_memory_knows_how_long_each_clause_was(make_parts):
    parts = make_parts(FakeLlm(pieces=["First clause here. ", "Second one here."]))
    conversation = memory()
    run(parts, conversation=conversation)
    # The fake speaks a sample per character at 24 kHz.
    conversation.played(len("First clause here.") / 24_000)
    assert conversation.messages()[-1].content == "First clause here."
