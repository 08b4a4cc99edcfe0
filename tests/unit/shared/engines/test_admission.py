"""The bounded queue: order, refusal, time-out, hand-over."""

import threading

import pytest
from prometheus_client import REGISTRY

from shared.core.errors import Overloaded
from shared.engines.admission import Admission


def make(concurrency=1, queue_limit=2, timeout=5.0):
    return Admission(
        "test", concurrency=concurrency, queue_limit=queue_limit, queue_timeout_s=timeout
    )


def test_leases_up_to_the_concurrency_are_immediate():
    admission = make(concurrency=2, queue_limit=0)
    first, second = admission.acquire(), admission.acquire()
    with pytest.raises(Overloaded):
        admission.acquire()
    first.release()
    admission.acquire().release()
    second.release()


def test_who_need_not_wait_is_counted_with_no_wait():
    def waits(what):
        labels = {"engine": "idle"}
        return REGISTRY.get_sample_value(f"voice_queue_wait_seconds_{what}", labels)

    idle = Admission("idle", concurrency=1, queue_limit=0, queue_timeout_s=1)
    for _ in range(3):
        idle.acquire().release()
    assert (waits("count"), waits("sum")) == (3, 0)


def test_a_full_queue_refuses_at_once_with_retry_after():
    admission = make(queue_limit=0)
    with admission.acquire(), pytest.raises(Overloaded) as caught:
        admission.acquire()
    assert caught.value.retry_after >= 1.0
    assert caught.value.status == 503


class Clock:
    """Stands in for the module ``time``."""

    now = 0.0

    def monotonic(self):
        return self.now


@pytest.mark.parametrize("concurrency", [1, 2, 4])
def test_the_estimate_is_shared_by_the_places(monkeypatch, concurrency):
    clock = Clock()
    monkeypatch.setattr("shared.engines.admission.time", clock)
    admission = make(concurrency=concurrency, queue_limit=0)
    lease = admission.acquire()
    clock.now += 101.0
    # A tenth of it, and nine tenths of the second that is taken for granted: 11 seconds.
    lease.release()
    for _ in range(concurrency):
        admission.acquire()
    with pytest.raises(Overloaded, match="full") as caught:
        admission.acquire()
    assert caught.value.retry_after == pytest.approx(11.0 / concurrency)


def test_the_estimate_grows_with_those_who_wait():
    admission = make(concurrency=2, queue_limit=5)
    held = [admission.acquire() for _ in range(2)]
    threads = [threading.Thread(target=lambda: admission.acquire().release()) for _ in range(5)]
    for thread in threads:
        thread.start()
    while len(admission._waiting) < len(threads):
        pass
    with pytest.raises(Overloaded, match="full") as caught:
        admission.acquire()
    for lease in held:
        lease.release()
    for thread in threads:
        thread.join(5)
    # Six turns of a second each, the sixth its own, at two places.
    assert caught.value.retry_after == pytest.approx(3.0)


def test_waiting_too_long_is_refused_and_leaves_the_queue():
    admission = make(queue_limit=1, timeout=0.02)
    held = admission.acquire()
    for _ in range(2):  # the second would be refused as "full" had the first stayed in line
        with pytest.raises(Overloaded, match="no place within"):
            admission.acquire()
    held.release()
    admission.acquire().release()


def test_who_gave_up_is_no_longer_counted_as_waiting():
    admission = make(timeout=0.02)
    with admission.acquire(), pytest.raises(Overloaded, match="no place within"):
        admission.acquire()
    assert REGISTRY.get_sample_value("voice_queue_depth", {"engine": "test"}) == 0


def test_places_are_given_in_order_of_arrival():
    admission = make(queue_limit=8)
    held = admission.acquire()
    order, threads = [], []

    def work(number):
        with admission.acquire():
            order.append(number)

    for number in range(4):
        thread = threading.Thread(target=work, args=(number,))
        thread.start()
        threads.append(thread)
        while len(admission._waiting) <= number:
            pass
    assert REGISTRY.get_sample_value("voice_queue_depth", {"engine": "test"}) == 4
    held.release()
    for thread in threads:
        thread.join(5)
    assert order == [0, 1, 2, 3]
    assert REGISTRY.get_sample_value("voice_queue_depth", {"engine": "test"}) == 0


def test_releasing_twice_frees_one_place_only():
    admission = make(concurrency=1, queue_limit=0)
    lease = admission.acquire()
    lease.release()
    lease.release()
    admission.acquire()
    with pytest.raises(Overloaded):
        admission.acquire()
