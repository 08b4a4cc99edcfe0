"""The conversation's memory as a state machine."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from voice_agent.prompts import system_prompt
from voice_agent.session import Conversation


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

    @rule(data=st.data(), text=st.text(min_size=1, max_size=20))
    def heard(self, data, text):
        self.conversation.heard(data.draw(st.sampled_from(self.generations)), text)

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
