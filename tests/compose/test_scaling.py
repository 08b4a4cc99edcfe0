"""Three replicas of one service: all of them answer, and they can be lost one by one."""

from __future__ import annotations

import time

import pytest
import requests

from tests.compose.callers import Callers, outcome_of
from tests.compose.conftest import say

REPLICAS = 3
AT_ONCE = 4
FOUND_WITHIN_S = 60


@pytest.fixture
def scaled(mesh):
    mesh.up("--scale", f"tts={REPLICAS}", "--no-recreate")
    yield mesh
    mesh.up("--scale", "tts=1", "--no-recreate")


def spoken_by(stack, container):
    return stack.metric(container, "tts", "voice_requests_total", route="/synthesize")


def wait_until_all_answer(stack):
    """Ask until every replica has spoken; how many requests each got meanwhile."""
    replicas = stack.containers("tts")
    assert len(replicas) == REPLICAS
    deadline = time.monotonic() + FOUND_WITHIN_S
    while time.monotonic() < deadline:
        assert {outcome_of(stack.url) for _ in range(6)} == {"whole"}
        counts = [spoken_by(stack, replica) for replica in replicas]
        if all(counts):
            return counts
    raise AssertionError(f"not all replicas were asked: {counts}")


def test_all_replicas_answer(scaled, request):
    counts = wait_until_all_answer(scaled)
    say(request, f"{REPLICAS} replicas of tts spoke {', '.join(f'{c:.0f}' for c in counts)} times")


def test_replicas_lost_one_by_one(scaled, request):
    wait_until_all_answer(scaled)
    replicas = scaled.containers("tts")
    with Callers(scaled.url, AT_ONCE) as callers:
        for left, replica in enumerate(reversed(replicas[1:]), start=1):
            callers.wait_for(20)
            scaled.docker("kill", replica)
            callers.wait_for(40)
            say(request, f"{REPLICAS - left} replicas left: callers got {dict(callers.got)}")
    # Who was being served sees the answer cut, or an error where none of it had come; all others
    # notice no more than a wait.
    lost = callers.got.keys() - {"whole"}
    assert lost <= {"cut", "502 upstream_unavailable"}
    assert sum(callers.got[outcome] for outcome in lost) <= 2 * AT_ONCE, "served by the two"
    say(request, f"the slowest of them waited {callers.slowest:.1f} s")
    scaled.docker("kill", replicas[0])
    assert [outcome_of(scaled.url) for _ in range(3)] == ["502 upstream_unavailable"] * 3


def test_settings_reach_all_replicas(scaled):
    try:
        said = requests.post(f"{scaled.url}/api/config", json={"language": "es"}, timeout=60)
        assert said.status_code == 200
        for _ in range(2 * REPLICAS):
            config = requests.get(scaled.url, timeout=60).json()["config"]
            assert config["language"] == "es"
    finally:
        requests.post(f"{scaled.url}/api/config", json={"language": "en"}, timeout=60)
