"""Which skipped engines are counted, and when."""

import pytest
from prometheus_client import REGISTRY

from shared.core.errors import EngineFailure, RateLimited
from shared.engines.fallback import SkippedEngine, SkippedEngines


@pytest.fixture
def growth():
    """How much the counter has grown, by (from, to, reason), since the test began."""

    def now():
        return {
            tuple(sample.labels[name] for name in ("from", "to", "reason")): sample.value
            for metric in REGISTRY.collect()
            for sample in metric.samples
            if sample.name == "voice_fallback_total"
        }

    before = now()
    return lambda: {
        labels: value - before.get(labels, 0)
        for labels, value in now().items()
        if value != before.get(labels, 0)
    }


def test_every_skipped_engine_is_counted(growth):
    skipped = SkippedEngines([SkippedEngine("a", "not_loaded"), SkippedEngine("b", "loading")])
    skipped.add("c", EngineFailure("f"), "d")
    skipped.add("d", RateLimited("f", code="http_429"), "e")
    assert growth() == {}, "only an answer says who was skipped in favour of whom"
    assert skipped.answered_by("e") == (
        "a; reason=not_loaded, b; reason=loading, c; reason=engine_failure, d; reason=http_429"
    )
    assert growth() == {
        ("a", "e", "not_loaded"): 1,
        ("b", "e", "loading"): 1,
        ("c", "e", "engine_failure"): 1,
        ("d", "e", "http_429"): 1,
    }


def test_an_engine_that_fails_during_its_answer_is_counted_once_and_so_are_those_before(growth):
    skipped = SkippedEngines([SkippedEngine("a", "not_loaded")])
    skipped.answered_by("b")
    skipped.add("b", EngineFailure("f"), "c")
    skipped.add("c", EngineFailure("f"), "d")
    assert skipped.answered_by("d") == (
        "a; reason=not_loaded, b; reason=engine_failure, c; reason=engine_failure"
    )
    skipped.answered_by("d")
    assert growth() == {
        ("a", "b", "not_loaded"): 1,
        ("b", "d", "engine_failure"): 1,
        ("c", "d", "engine_failure"): 1,
    }


def test_the_same_engine_skipped_in_two_answers_is_counted_twice(growth):
    for _ in range(2):
        SkippedEngines([SkippedEngine("a", "loading")]).answered_by("b")
    assert growth() == {("a", "b", "loading"): 2}


def test_nothing_skipped_is_nothing_to_tell(growth):
    assert SkippedEngines().answered_by("a") is None
    assert growth() == {}
