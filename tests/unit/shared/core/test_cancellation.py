"""A client that has gone: how a server sees it, and that its place in a queue is given up."""

import socket
import threading
import time

import pytest

from shared.core.cancellation import client_is_gone, watching
from shared.core.errors import ClientGone
from shared.core.metrics import QUEUE_LEFT
from shared.engines.admission import Admission
from shared.http.server.error_responses import OUTCOME
from shared.http.server.middleware import Middleware, has_closed


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


class TestAnswers:
    """What the outermost layer does when a listener leaves in mid-answer."""

    def serve(self, connection, headers, made):
        closed = []

        def app(environ, start_response):
            start_response("200 OK", headers)

            def body():
                try:
                    for number in range(5):
                        made.append(number)
                        yield b"x"
                finally:
                    closed.append(True)

            return body()

        environ = {"PATH_INFO": "/x", "REQUEST_METHOD": "GET", "gunicorn.socket": connection}
        answer = Middleware(app, 4)(environ, lambda *arguments: None)
        return iter(answer), environ, closed

    def test_nothing_more_is_made_for_a_listener_who_left(self, pair):
        ours, theirs = pair
        made = []
        answer, environ, closed = self.serve(ours, [], made)
        assert next(answer) == b"x"
        theirs.close()
        with pytest.raises(BrokenPipeError):
            next(answer)
        answer.close()
        assert made == [0]
        assert closed
        assert environ[OUTCOME] == "client_closed"
        assert not client_is_gone()

    def test_who_has_all_that_was_promised_may_close(self, pair):
        ours, theirs = pair
        answer, environ, _ = self.serve(ours, [("Content-Length", "5")], [])
        assert next(answer) == b"x"
        theirs.close()
        assert len(list(answer)) == 4
        assert OUTCOME not in environ
