"""The bounded queue: order, refusal, time-out, hand-over."""

import threading

import pytest

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


def test_a_full_queue_refuses_at_once_with_retry_after():
    admission = make(queue_limit=0)
    with admission.acquire(), pytest.raises(Overloaded) as caught:
        admission.acquire()
    assert caught.value.retry_after >= 1.0
    assert caught.value.status == 503


def test_waiting_too_long_is_refused_and_leaves_the_queue():
    admission = make(queue_limit=1, timeout=0.02)
    held = admission.acquire()
    for _ in range(2):  # the second would be refused as "full" had the first stayed in line
        with pytest.raises(Overloaded, match="no place within"):
            admission.acquire()
    held.release()
    admission.acquire().release()


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
    held.release()
    for thread in threads:
        thread.join(5)
    assert order == [0, 1, 2, 3]


def test_releasing_twice_frees_one_place_only():
    admission = make(concurrency=1, queue_limit=0)
    lease = admission.acquire()
    lease.release()
    lease.release()
    admission.acquire()
    with pytest.raises(Overloaded):
        admission.acquire()
