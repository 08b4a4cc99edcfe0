"""A client that has gone: how a server sees it, and that its place in a queue is given up."""

import logging
import threading
import time

import pytest

from shared.core.cancellation import client_is_gone, watching
from shared.core.errors import ClientGone
from shared.core.metrics import QUEUE_LEFT
from shared.core.settings import CommonSettings
from shared.engines.admission import Admission
from shared.http.server.asgi.shell import Shell
from shared.http.server.asgi.wsgi_bridge import WsgiBridge
from tests.asgi_server import AsgiServer, eventually, read_to_end, read_until


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


class Body:
    """An answer of five parts; every one but the first waits until it is told to go on."""

    def __init__(self):
        self.made = []
        self.gone = []
        self.go_on = threading.Event()
        self.closed = threading.Event()

    def __iter__(self):
        for number in range(5):
            if number:
                self.go_on.wait(10)
            self.gone.append(client_is_gone())
            self.made.append(number)
            yield b"x"

    def close(self):
        self.closed.set()


@pytest.fixture
def start():
    """Serve a WSGI application behind the shell; its connections are bare."""
    running = []

    def begin(app):
        settings = CommonSettings(_env_file=None)
        running.append(AsgiServer(Shell(WsgiBridge(app, 4), settings)))
        return running[-1]

    yield begin
    for server in running:
        server.close()


def asking(server):
    connection = server.raw()
    connection.sendall(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return connection


def serving(body, headers):
    def app(environ, start_response):
        start_response("200 OK", headers)
        return body

    return app


def outcome_of_x(caplog):
    return [r.outcome for r in caplog.records if r.name == "access"]


def test_nothing_more_is_made_for_a_listener_who_left(start, caplog):
    caplog.set_level(logging.INFO, "access")
    body = Body()
    server = start(serving(body, []))
    with asking(server) as listener:
        read_until(listener, b"1\r\nx\r\n")
    time.sleep(0.2)
    body.go_on.set()
    assert body.closed.wait(10)
    # The part that was being made when the listener left is the last one.
    assert body.made in ([0], [0, 1])
    eventually(lambda: outcome_of_x(caplog))
    assert outcome_of_x(caplog) == ["client_closed"]
    assert body.gone[0] is False
    assert not client_is_gone()


def test_who_has_all_that_was_promised_may_close(start, caplog):
    caplog.set_level(logging.INFO, "access")
    body = Body()
    server = start(serving(body, [("Content-Length", "5")]))
    body.go_on.set()
    with asking(server) as listener:
        assert read_until(listener, b"xxxxx").endswith(b"\r\n\r\nxxxxx")
    assert body.closed.wait(10)
    assert body.made == [0, 1, 2, 3, 4]
    eventually(lambda: outcome_of_x(caplog))
    assert outcome_of_x(caplog) == ["ok"]


def test_whoever_waits_for_work_learns_that_its_client_has_left(start):
    asked, learnt = threading.Event(), []

    def app(environ, start_response):
        asked.set()
        until = time.monotonic() + 10
        while not client_is_gone() and time.monotonic() < until:
            time.sleep(0.005)
        learnt.append(client_is_gone())
        start_response("200 OK", [])
        return [b"too late"]

    server = start(app)
    with asking(server):
        assert asked.wait(10)
        assert learnt == []
    eventually(lambda: learnt)
    assert learnt == [True]


def test_who_sends_more_has_not_left(start):
    asked, go_on, learnt = threading.Event(), threading.Event(), []

    def app(environ, start_response):
        asked.set()
        go_on.wait(10)
        learnt.append(client_is_gone())
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    server = start(app)
    with asking(server) as client:
        assert asked.wait(10)
        client.sendall(b"GET /next HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        time.sleep(0.1)
        go_on.set()
        assert read_to_end(client).count(b"200 OK") == 2
    assert learnt == [False, False]
