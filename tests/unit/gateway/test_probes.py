"""Questions about a service's state: one at a time, for a second at most, shared by all who ask."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway import probes
from gateway.probes import SharedProbe
from tests.unit.gateway.conftest import DEAD, Service, send


class Question:
    def __init__(self, takes_s=0.0):
        self.takes_s = takes_s
        self.asked = 0
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self):
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.takes_s)
            return self.asked
        finally:
            self.at_once -= 1


def test_one_question_is_on_its_way_for_all_who_ask():
    async def main():
        question = Question(0.05)
        probe = SharedProbe(question, late="late")
        assert await asyncio.gather(*(probe.answer() for _ in range(50))) == [1] * 50
        assert question.most_at_once == 1
        assert await probe.answer() == 2, "without fresh_s every verdict is a new one"

    asyncio.run(main())


def test_a_verdict_is_used_again_for_a_while():
    async def main():
        question = Question()
        probe = SharedProbe(question, late="late", fresh_s=0.2)
        assert [await probe.answer() for _ in range(5)] == [1] * 5
        await asyncio.sleep(0.25)
        assert await probe.answer() == 2

    asyncio.run(main())


def test_nobody_waits_longer_than_the_limit(monkeypatch):
    monkeypatch.setattr(probes, "PROBE_S", 0.1)

    async def main():
        question = Question(60)
        probe = SharedProbe(question, late="late", fresh_s=30)
        started = time.monotonic()
        assert await asyncio.gather(*(probe.answer() for _ in range(9))) == ["late"] * 9
        assert time.monotonic() - started < 5
        assert await probe.answer() == "late", "being late is a verdict too"
        assert (question.asked, question.at_once) == (1, 0), "the question was given up"

    asyncio.run(main())


def test_who_leaves_does_not_take_the_answer_from_the_others():
    async def main():
        probe = SharedProbe(Question(0.1), late="late")
        leaving = asyncio.create_task(probe.answer())
        staying = asyncio.create_task(probe.answer())
        await asyncio.sleep(0.02)
        leaving.cancel()
        assert await staying == 1

    asyncio.run(main())


def test_a_question_that_fails_is_asked_again():
    fails = [True]

    async def ask():
        if fails.pop():
            raise ValueError("x")
        return "fine"

    async def main():
        fails.insert(0, False)
        probe = SharedProbe(ask, late="late", fresh_s=30)
        with pytest.raises(ValueError, match="x"):
            await probe.answer()
        assert await probe.answer() == "fine"

    asyncio.run(main())


def test_a_hanging_service_delays_readiness_by_a_second_and_not_for_ever(make_client, service):
    import threading

    over = threading.Event()

    def hang(handler):
        over.wait(20)
        handler.close_connection = True

    other = Service()
    other.answers["/readyz"] = hang
    client = make_client(tts_url=other.url)
    started = time.monotonic()
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(client.get("/readyz"))) for _ in range(6)
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - started < 5
        assert [a.status_code for a in answers] == [503] * 6
        assert answers[0].json["upstreams"] == {
            "tts": "not_ready",
            "stt": "ready",
            "agent": "ready",
        }
        assert len(other.seen) == 1
        assert client.get("/livez").status_code == 200
    finally:
        over.set()
        other.close()


def test_any_replica_that_is_ready_will_do(make_client, service):
    unready = Service()
    unready.answers["/readyz"] = lambda h: send(h, {"status": "not_ready"}, 503)
    try:
        client = make_client(tts_url=f"{DEAD},{unready.url},{service.url}")
        assert client.get("/readyz").json["upstreams"]["tts"] == "ready"
        alone = make_client(tts_url=f"{unready.url}")
        assert alone.get("/readyz").json["upstreams"]["tts"] == "not_ready"
    finally:
        unready.close()


def test_a_replica_that_hangs_does_not_hide_one_that_is_ready(make_client, service):
    import threading

    over = threading.Event()

    def hang(handler):
        over.wait(20)
        handler.close_connection = True

    other = Service()
    other.answers = {"/readyz": hang, "/v1/models": hang}
    try:
        # Each may be the first to be asked.
        for urls in (f"{service.url},{other.url}", f"{other.url},{service.url}"):
            client = make_client(tts_url=urls)
            assert client.get("/readyz").json["upstreams"]["tts"] == "ready"
            assert "unavailable" not in client.get("/v1/models").json
    finally:
        over.set()
        other.close()
