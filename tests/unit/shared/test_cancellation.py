"""A client that has gone: how a server sees it, and that its place in a queue is given up."""

import socket
import threading
import time

import pytest

from shared.admission import Admission
from shared.cancellation import client_is_gone, watching
from shared.errors import ClientGone
from shared.metrics import QUEUE_LEFT
from shared.web.middleware import has_closed


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_an_open_connection_has_not_closed_whatever_it_sent(pair):
    ours, theirs = pair
    assert not has_closed(ours)
    theirs.send(b"GET")
    assert not has_closed(ours)
    assert ours.recv(3) == b"GET"


def test_a_closed_connection_is_seen(pair):
    ours, theirs = pair
    theirs.close()
    assert has_closed(ours)
    ours.close()
    assert has_closed(ours)


def test_nobody_knows_outside_a_request():
    assert not client_is_gone()
    with watching(lambda: True):
        assert client_is_gone()
    assert not client_is_gone()


def test_who_has_gone_leaves_the_queue_for_the_next():
    admission = Admission("gone", concurrency=1, queue_limit=2, queue_timeout_s=10)
    before = QUEUE_LEFT.labels(engine="gone", reason="client_gone")._value.get()
    held = admission.acquire()
    left = threading.Event()
    outcome = []

    def wait():
        with watching(left.is_set):
            try:
                admission.acquire()
            except ClientGone as error:
                outcome.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    until = time.monotonic() + 5
    while not admission._waiting and time.monotonic() < until:
        time.sleep(0.005)
    left.set()
    waiter.join(5)
    assert len(outcome) == 1
    assert not admission._waiting
    assert QUEUE_LEFT.labels(engine="gone", reason="client_gone")._value.get() == before + 1
    held.release()
    admission.acquire().release()
