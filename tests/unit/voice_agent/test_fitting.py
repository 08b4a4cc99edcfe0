"""Conversations cut to a model's context."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.errors import TooLarge
from voice_agent.llm.base import Message
from voice_agent.llm.fitting import shortened, size

SYSTEM = Message("system", "Be brief.")


def talk(*lengths):
    roles = ("user", "assistant")
    return [Message(roles[i % 2], "x" * length) for i, length in enumerate(lengths)]


def test_the_oldest_turns_go_and_instructions_and_question_stay():
    messages = [SYSTEM, *talk(100, 100, 100, 100, 100)]
    kept = shortened(messages, counted_tokens=509, limit_tokens=320)
    assert kept == [SYSTEM, *messages[3:]]


def test_without_instructions_too():
    messages = talk(10, 10, 10)
    assert shortened(messages, 30, 1) == messages[-1:]


@pytest.mark.parametrize("head", [[], [SYSTEM]])
def test_a_question_alone_cannot_be_shortened(head):
    with pytest.raises(TooLarge) as caught:
        shortened([*head, Message("user", "x" * 100)], 100, 50)
    assert caught.value.code == "context_exceeded"


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=9).filter(lambda n: len(n) % 2 == 1),
    st.integers(1, 900),
    st.integers(1, 900),
)
def test_each_call_makes_progress_until_nothing_can_go(lengths, counted, limit):
    messages = [SYSTEM, *talk(*lengths)]
    seen = 0
    while True:
        try:
            shorter = shortened(messages, counted, limit)
        except TooLarge:
            assert messages == [SYSTEM, messages[-1]]
            return
        assert size(shorter) < size(messages)
        assert shorter[0] == SYSTEM
        assert shorter[-1] == messages[-1]
        assert shorter[1].role == "user"
        messages, seen = shorter, seen + 1
        assert seen < 10
