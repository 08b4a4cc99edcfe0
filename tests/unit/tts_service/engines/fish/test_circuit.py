"""A server that is down is not asked for every sentence, and is found again when it is back."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from shared.core.breaker import CircuitBreaker
from shared.core.errors import (
    ClientGone,
    EngineFailure,
    InvalidRequest,
    MeshError,
    RateLimited,
    UpstreamUnavailable,
)
from tts_service.engines.fish.circuit import Circuit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit("test", CircuitBreaker(threshold=3, cooldown_s=10, clock=clock))


def attempt(circuit: Circuit, error: BaseException | None = None) -> str:
    """What became of a call that raises ``error``: a code, or ``ok``."""
    try:
        with circuit.call():
            if error is not None:
                raise error
    except UpstreamUnavailable as fault:
        return fault.code
    except Exception as fault:
        return type(fault).__name__
    return "ok"


def is_open() -> float | None:
    return REGISTRY.get_sample_value("voice_circuit_open", {"engine": "test"})


DOWN = UpstreamUnavailable("down", code="http_500")


def test_it_opens_is_tried_once_and_closes(circuit: Circuit, clock: Clock) -> None:
    assert [attempt(circuit, DOWN) for _ in range(3)] == ["http_500"] * 3
    assert is_open() == 1
    assert attempt(circuit) == "circuit_open"
    clock.now = 10
    with circuit.call():
        assert attempt(circuit) == "circuit_open", "one trial at a time"
    assert is_open() == 0
    assert attempt(circuit) == "ok"


def test_a_failed_trial_opens_it_again(circuit: Circuit, clock: Clock) -> None:
    for _ in range(3):
        attempt(circuit, DOWN)
    clock.now = 10
    assert attempt(circuit, DOWN) == "http_500"
    assert attempt(circuit) == "circuit_open"
    clock.now = 20
    assert attempt(circuit) == "ok"


def test_it_says_when_to_come_back(circuit: Circuit, clock: Clock) -> None:
    for _ in range(3):
        attempt(circuit, DOWN)
    clock.now = 4
    with pytest.raises(UpstreamUnavailable) as caught, circuit.call():
        pass
    assert caught.value.retry_after == 6


def test_who_comes_during_a_trial_hears_when_the_next_one_may_be_made(
    circuit: Circuit, clock: Clock
) -> None:
    for _ in range(3):
        attempt(circuit, DOWN)
    clock.now = 12
    with circuit.call():
        clock.now = 15
        with pytest.raises(UpstreamUnavailable) as caught, circuit.call():
            pass
    assert caught.value.retry_after == 7


def test_the_server_may_say_how_long_it_is_open(circuit: Circuit, clock: Clock) -> None:
    attempt(circuit, RateLimited("later", retry_after=30))
    clock.now = 29
    assert attempt(circuit) == "circuit_open"
    clock.now = 30
    assert attempt(circuit) == "ok"


def test_one_failure_opens_it_again_where_the_server_had_asked_for_a_pause(
    circuit: Circuit, clock: Clock
) -> None:
    attempt(circuit, RateLimited("later", retry_after=30))
    clock.now = 30
    assert attempt(circuit, DOWN) == "http_500"
    clock.now = 39
    assert attempt(circuit) == "circuit_open"
    clock.now = 40
    assert attempt(circuit) == "ok"


@pytest.mark.parametrize("outcome", [None, DOWN, RateLimited("later", retry_after=1)])
def test_a_call_under_way_does_not_shorten_what_the_server_asked_for(
    circuit: Circuit, clock: Clock, outcome: Exception | None
) -> None:
    try:
        with circuit.call():
            attempt(circuit, RateLimited("later", retry_after=120))
            if outcome is not None:
                raise outcome
    except MeshError as fault:
        assert fault is outcome
    clock.now = 119
    assert attempt(circuit) == "circuit_open"
    clock.now = 120
    assert attempt(circuit) == "ok"
    assert attempt(circuit, DOWN) == "http_500"
    assert attempt(circuit) == "ok"


def test_what_is_about_one_request_leaves_it_closed(circuit: Circuit) -> None:
    for _ in range(2):
        attempt(circuit, DOWN)
    attempt(circuit, UpstreamUnavailable("no such voice", code="http_404"))
    for _ in range(2):
        assert attempt(circuit, DOWN) == "http_500"
    assert attempt(circuit) == "ok"


def test_listeners_who_left_say_nothing_about_the_server(circuit: Circuit) -> None:
    for _ in range(5):
        assert attempt(circuit, ClientGone("the client has left")) == "ClientGone"
    assert attempt(circuit) == "ok"


def test_mistakes_of_the_engine_open_it_too(circuit: Circuit) -> None:
    for _ in range(3):
        assert attempt(circuit, ZeroDivisionError()) == "ZeroDivisionError"
    assert attempt(circuit, EngineFailure("x")) == "circuit_open"
    assert attempt(circuit, InvalidRequest("x")) == "circuit_open"


def test_a_trial_whose_listener_left_is_made_again(circuit: Circuit, clock: Clock) -> None:
    for _ in range(3):
        attempt(circuit, DOWN)
    clock.now = 10
    with pytest.raises(GeneratorExit), circuit.call():
        raise GeneratorExit
    assert attempt(circuit) == "circuit_open"
    clock.now = 20
    assert attempt(circuit) == "ok"
