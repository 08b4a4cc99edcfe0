"""The conversation's memory as a state machine."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from voice_agent.llm.prompts import system_prompt
from voice_agent.memory import Conversation


def contents(conversation):
    return [(m.role, m.content) for m in conversation.messages()][1:]


def test_turns_are_remembered_in_order():
    conversation = Conversation(4, 1000)
    for number in range(2):
        generation = conversation.begin(f"q{number}", "en")
        conversation.heard(generation, f"a{number}")
        conversation.heard(generation, "more")
        conversation.end(generation)
    conversation.begin("q2", "en")
    assert contents(conversation) == [
        ("user", "q0"),
        ("assistant", "a0 more"),
        ("user", "q1"),
        ("assistant", "a1 more"),
        ("user", "q2"),
    ]


def test_an_interrupted_turn_keeps_what_was_heard_and_late_results_are_ignored():
    conversation = Conversation(4, 1000)
    old = conversation.begin("q0", "en")
    conversation.heard(old, "heard part")
    new = conversation.begin("q1", "en")
    conversation.heard(old, "said too late")
    conversation.end(old)
    assert conversation.is_current(new)
    assert contents(conversation)[1] == ("assistant", "heard part")


def test_an_unanswered_question_is_forgotten():
    conversation = Conversation(4, 1000)
    conversation.end(conversation.begin("q0", "en"))
    assert contents(conversation) == []


def test_the_oldest_turns_go_first_and_the_instructions_never():
    conversation = Conversation(100, 200)
    for number in range(50):
        generation = conversation.begin(f"question {number}", "pt")
        conversation.heard(generation, "x" * 50)
        conversation.end(generation)
    conversation.begin("now", "pt")
    messages = conversation.messages()
    assert messages[0].content == system_prompt("pt")
    assert messages[-1].content == "now"
    assert messages[-3].content == "question 49"
    assert sum(len(m.content.encode()) for m in messages) <= 200 * 2


@pytest.mark.parametrize(
    ("seconds", "left"),
    [
        (9.0, "one two three four five six"),
        (3.0, "one two three four five six"),
        (2.0, "one two three four"),
        (1.5, "one two three"),
        (1.4, "one two"),
        (1.0, "one two"),
        (0.6, "one"),
        (0.1, None),
        (0.0, None),
    ],
)
@pytest.mark.parametrize("over", [True, False])
def test_of_a_reply_that_was_broken_off_only_what_was_played_is_remembered(seconds, left, over):
    conversation = Conversation(4, 1000)
    turn = conversation.begin("before", "en")
    conversation.heard(turn, "answer", 1.0)
    conversation.end(turn)
    turn = conversation.begin("count", "en")
    for text in ("one two", "three four", "five six"):
        conversation.heard(turn, text, 1.0)
    if over:
        conversation.end(turn)
    conversation.played(seconds)
    conversation.begin("next", "en")
    kept = [("user", "count"), ("assistant", left)] if left else []
    assert contents(conversation) == [
        ("user", "before"),
        ("assistant", "answer"),
        *kept,
        ("user", "next"),
    ]


@pytest.mark.parametrize("over", [True, False])
@pytest.mark.parametrize(
    ("clauses", "seconds", "left"),
    [
        ([("one two", 1.0), ("shown", 0.0)], 1.0, "one two shown"),
        ([("one two", 1.0), ("three four", 0.5), ("shown", 0.0)], 1.5, "one two three four shown"),
        ([("one two", 1.0), ("shown", 0.0), ("three four", 1.0)], 1.0, "one two shown"),
        ([("shown", 0.0)], 0.0, "shown"),
        ([("one two", 1.0), ("shown", 0.0)], 0.9, "one"),
    ],
)
def test_a_clause_that_was_played_to_its_very_end_is_whole(clauses, seconds, left, over):
    # What follows it without speech of its own was read, as where nothing was broken off.
    conversation = Conversation(4, 1000)
    turn = conversation.begin("q", "en")
    for text, length in clauses:
        conversation.heard(turn, text, length)
    if over:
        conversation.end(turn)
    conversation.played(seconds)
    conversation.begin("next", "en")
    assert contents(conversation)[1] == ("assistant", left)


def test_breaking_off_a_turn_without_an_answer_leaves_the_one_before_alone():
    conversation = Conversation(4, 1000)
    turn = conversation.begin("first", "en")
    conversation.heard(turn, "answer", 5.0)
    conversation.end(turn)
    conversation.end(conversation.begin("second", "en"))
    conversation.played(0.0)
    assert contents(conversation) == [("user", "first"), ("assistant", "answer")]
    Conversation(4, 1000).played(1.0)


def test_scripts_without_spaces_are_cut_between_characters():
    conversation = Conversation(4, 1000)
    conversation.heard(conversation.begin("q", "zh"), "明天会下雨", 5.0)
    conversation.played(2.0)
    conversation.begin("next", "zh")
    assert contents(conversation)[1] == ("assistant", "明天")


def test_prompts_by_language():
    assert "español" in system_prompt("es-MX")
    assert "tag: sv" in system_prompt("sv")


class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.conversation = Conversation(3, 500)
        self.generations = [0]

    @rule(text=st.text(min_size=1, max_size=20))
    def begin(self, text):
        self.generations.append(self.conversation.begin(text, "en"))

    @rule(data=st.data(), text=st.text(min_size=1, max_size=20), seconds=st.floats(0, 3))
    def heard(self, data, text, seconds):
        self.conversation.heard(data.draw(st.sampled_from(self.generations)), text, seconds)

    @rule(seconds=st.floats(0, 5))
    def played(self, seconds):
        self.conversation.played(seconds)

    @rule(data=st.data())
    def end(self, data):
        self.conversation.end(data.draw(st.sampled_from(self.generations)))

    @invariant()
    def roles_alternate_after_the_instructions(self):
        roles = [m.role for m in self.conversation.messages()]
        assert roles[0] == "system"
        expected = ["user", "assistant"] * len(roles)
        assert roles[1:] == expected[: len(roles) - 1]

    @invariant()
    def at_most_the_remembered_turns(self):
        assert len(self.conversation.messages()) <= 1 + 2 * 3 + 1


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=30, deadline=None)


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000])
def test_a_time_that_was_rounded_to_milliseconds_loses_no_word(rate):
    lengths = [round(seconds * rate) / rate for seconds in (0.05, 0.091, 1.2345)]
    conversation = Conversation(4, 1000)
    generation = conversation.begin("question", "en")
    for text, seconds in zip(("one two", "three four", "five six"), lengths, strict=True):
        conversation.heard(generation, text, seconds)
    conversation.played(int(sum(lengths[:2]) * 1000) / 1000)
    conversation.end(generation)
    assert contents(conversation)[-1] == ("assistant", "one two three four")
