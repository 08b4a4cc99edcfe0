"""Which requests reach a service, how often, and what comes back of a broken answer."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import requests

from gateway.proxy import answered_headers, forwarded_headers, query_of
from shared.http.server.asgi.request_body import IN_MEMORY
from tests.unit.gateway.conftest import DEAD, Service, send


def test_a_body_that_finds_no_room_is_to_come_again(make_client, service, monkeypatch):
    full_disk = partial(Path("/dev/full").open, "w+b", buffering=0)
    monkeypatch.setattr(
        "shared.http.server.asgi.request_body.SpooledTemporaryFile", lambda *_: full_disk()
    )
    answer = make_client().post("/transcribe", data=bytes(IN_MEMORY + 1))
    assert answer.status_code == 503
    assert answer.json["error"]["code"] == "disk_full"
    assert int(answer.headers["Retry-After"]) >= 1
    assert [seen for seen in service.seen if seen[0] == "POST"] == []


def test_headers_on_the_way_to_a_service():
    given = {
        b"content-type": b"audio/wav",
        b"ACCEPT": b"*/*",
        b"openai-beta": b"x",
        b"tracestate": b"a=b",
        b"authorization": b"Bearer theirs",
        b"cookie": b"c",
        b"host": b"h",
        b"connection": b"accept",
        b"content-length": b"7",
        b"transfer-encoding": b"chunked",
        b"accept-encoding": b"gzip",
        b"x-forwarded-for": b"1.2.3.4",
        b"x-request-id": b"r",
    }
    assert forwarded_headers(given.items()) == {
        "content-type": "audio/wav",
        "accept": "*/*",
        "openai-beta": "x",
        "tracestate": "a=b",
        "Accept-Encoding": "identity",
    }


def test_headers_on_the_way_back():
    given = [
        (b"Connection", b"close, X-Hop"),
        (b"X-Hop", b"1"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Date", b"now"),
        (b"Server", b"s"),
        (b"X-Request-ID", b"r"),
        (b"X-Engine", b"e"),
        (b"Vary", b"a"),
        (b"Vary", b"b"),
    ]
    assert answered_headers(given) == [(b"x-engine", b"e"), (b"vary", b"a"), (b"vary", b"b")]


def test_the_token_does_not_go_along_in_the_query():
    scope = {"query_string": b"a=1&token=t&a=&b=%C3%A9"}
    assert query_of(scope) == [("a", "1"), ("a", ""), ("b", "é")]


def test_a_header_that_the_connection_names_is_not_passed_on(make_client, service):
    service.answers["/synthesize"] = lambda h: send(
        h, b"x", headers=[("Connection", "X-Hop"), ("X-Hop", "1"), ("X-Engine", "e")]
    )
    answer = make_client().post("/synthesize", json={})
    assert answer.headers["X-Engine"] == "e"
    assert "X-Hop" not in answer.headers


@pytest.mark.parametrize("header", ["X-Foo", "Accept", "Content-Type"])
def test_odd_headers_of_a_client_say_nothing_about_the_service(make_gateway, service, header):
    service.answers["/synthesize"] = {"reached": True}
    gateway = make_gateway()
    for _ in range(4):
        with gateway.raw() as client:
            client.sendall(
                b"POST /synthesize HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                b"Content-Length: 2\r\n" + header.encode() + b": \xa0bar\r\n\r\n{}"
            )
            assert client.recv(12) in (b"HTTP/1.1 200", b"HTTP/1.1 400")
    assert gateway.client().post("/synthesize", json={}).json == {"reached": True}


def kill(handler):
    """What a request does that makes a service crash: the whole of it is there, no answer."""
    handler.close_connection = True


def test_a_request_that_kills_its_replica_reaches_no_other(make_client, service):
    other = Service()
    service.answers["/synthesize"] = other.answers["/synthesize"] = kill
    try:
        client = make_client(tts_url=f"{service.url},{other.url}")
        answer = client.post("/synthesize", json={"text": "x"})
    finally:
        other.close()
    assert answer.status_code == 502
    assert answer.json["error"]["code"] == "upstream_unavailable"
    assert len(service.seen) + len(other.seen) == 1


def test_a_request_that_kills_a_replica_on_a_kept_connection_is_sent_once_more_at_most(
    make_client, service
):
    """It cannot be told from a connection that the service had closed, if it is quick enough."""

    def keep(handler):
        send(handler, {"reached": True})
        handler.close_connection = False

    client = make_client()
    service.answers["/api/config"] = keep
    assert client.get("/api/config").status_code == 200
    service.answers["/synthesize"] = kill
    assert client.post("/synthesize", json={}).status_code == 502
    assert len([1 for method, *_ in service.seen if method == "POST"]) <= 2


@contextmanager
def script(*answers):
    """A service that plays one answer per request on each connection, then closes it.

    It says nothing about closing beforehand.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    seen = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                for answer in answers:
                    head = b""
                    while b"\r\n\r\n" not in head:
                        part = connection.recv(4096)
                        if not part:
                            break
                        head += part
                    if head:
                        seen.append(head)
                        connection.sendall(answer)
                    else:
                        break

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


KEPT = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_a_kept_connection_that_the_service_closed_is_tried_again(make_client):
    with script(KEPT) as (url, seen):
        client = make_client(tts_url=url)
        for _ in range(5):
            assert client.get("/api/config").json == {}
        assert len(seen) == 5


@pytest.mark.parametrize(
    "cut",
    [
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
        b"HTTP/1",
        b"no HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: minus\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_answer_cut_before_its_body_is_a_502(make_client, cut, method):
    with script(cut) as (url, seen):
        answer = make_client(tts_url=url).open("/api/config", method)
        assert answer.status_code == 502
        assert answer.json["error"]["code"] == "upstream_unavailable"
        assert len(seen) == 1, "what was sent once is not sent again"


@pytest.mark.parametrize(
    "cut",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
)
def test_an_answer_cut_in_its_body_does_not_look_whole(make_client, cut):
    with (
        script(cut) as (url, seen),
        make_client(tts_url=url).stream("/api/config") as answer,
    ):
        with pytest.raises(requests.RequestException):
            assert answer.content
        assert len(seen) == 1


def test_a_service_that_falls_silent_is_a_504(make_client, service):
    over = threading.Event()

    def silent(handler):
        over.wait(10)
        handler.close_connection = True

    service.answers["/synthesize"] = silent
    try:
        answer = make_client(upstream_timeout_s=0.2).post("/synthesize", json={})
    finally:
        over.set()
    assert answer.status_code == 504
    assert answer.json["error"]["code"] == "upstream_timeout"
    assert len(service.seen) == 1


def test_a_replica_that_is_away_or_full_is_passed_over(make_client, service):
    full = Service()
    full.answers["/synthesize"] = lambda h: send(h, {"error": {"code": "overloaded"}}, 503)
    service.answers["/synthesize"] = {"reached": True}
    try:
        client = make_client(tts_url=f"{DEAD},{full.url},{service.url}")
        for _ in range(6):
            assert client.post("/synthesize", data=b"{}").json == {"reached": True}
        assert {body for *_, body in service.seen} == {b"{}"}
        alone = make_client(tts_url=f"{DEAD},{full.url}").post("/synthesize", data=b"{}")
        assert alone.status_code == 503
        assert alone.json["error"]["code"] == "overloaded"
    finally:
        full.close()


def test_the_least_busy_replica_is_asked(make_client, service):
    """Whoever works on a long answer gets no further one while another replica is free."""
    other, over = Service(), threading.Event()

    def long(handler):
        over.wait(10)
        send(handler, {"long": True})

    for running in (service, other):
        running.answers["/synthesize"] = long
        running.answers["/api/config"] = {"short": True}
    client = make_client(tts_url=f"{service.url},{other.url}")
    worker = threading.Thread(target=lambda: client.post("/synthesize", json={}))
    worker.start()
    try:
        while not service.seen + other.seen:
            pass
        busy, free = (service, other) if service.seen else (other, service)
        for _ in range(4):
            assert client.get("/api/config").status_code == 200
        assert (len(busy.seen), len(free.seen)) == (1, 4)
    finally:
        over.set()
        worker.join()
        other.close()
