"""WSGI applications behind the event loop."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from wsgiref.validate import validator

import pytest
import requests

from shared.core.log import request_id
from shared.http.server.asgi.record import RECORD
from shared.http.server.asgi.shell import Shell
from shared.http.server.asgi.wsgi_bridge import WsgiBridge
from tests.asgi_server import eventually, read_to_end, read_until
from tests.unit.shared.http.conftest import settings


@pytest.fixture
def bridge(serve):
    """``bridge(app)``: a WSGI application on a real port."""

    def make(app, threads=4, **values):
        return serve(Shell(WsgiBridge(app, threads), settings(**values)))

    return make


def tell(environ, start_response):
    """Answers with what it was given."""
    told = {name: value for name, value in environ.items() if isinstance(value, str)}
    told["body"] = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode("latin-1")
    told["id"] = request_id.get()
    payload = json.dumps(told).encode()
    start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(payload)))]
    )
    return [payload]


def test_the_environment_is_what_the_standard_says(bridge):
    client = bridge(validator(tell)).client()
    answer = client.post(
        "/a%20b/caf%C3%A9?x=%20y&z",
        data=b"\x00\xffbody",
        headers={"Content-Type": "audio/wav", "X-Some": "thing", "X-Request-ID": "mine"},
    )
    told = answer.json
    assert told["REQUEST_METHOD"] == "POST"
    assert told["PATH_INFO"] == "/a b/café".encode().decode("latin-1")
    assert told["SCRIPT_NAME"] == ""
    assert told["QUERY_STRING"] == "x=%20y&z"
    assert told["CONTENT_TYPE"] == "audio/wav"
    assert told["CONTENT_LENGTH"] == "6"
    assert told["body"] == "\x00\xffbody"
    assert told["REMOTE_ADDR"] == "127.0.0.1"
    assert told["SERVER_PORT"] == client.url.rpartition(":")[2]
    assert told["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert told["wsgi.url_scheme"] == "http"
    assert told["HTTP_X_SOME"] == "thing"
    assert told["HTTP_HOST"] == client.url.removeprefix("http://")
    assert told["id"] == "mine"
    assert "HTTP_CONTENT_LENGTH" not in told
    assert "HTTP_CONTENT_TYPE" not in told


def test_a_chunked_body_has_a_length(bridge):
    told = bridge(tell).client().post("/", data=iter([b"one", b"two"])).json
    assert (told["CONTENT_LENGTH"], told["body"]) == ("6", "onetwo")
    assert "HTTP_TRANSFER_ENCODING" not in told


def test_headers_that_come_twice_are_joined(bridge):
    server = bridge(tell)
    with server.raw() as client:
        client.sendall(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\nx-a: 2\r\nConnection: close\r\n\r\n"
        )
        answer = read_to_end(client)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["HTTP_X_A"] == "1,2"


def test_a_large_body_is_a_file(bridge):
    def app(environ, start_response):
        start_response("200 OK", [])
        read = environ["wsgi.input"].read
        total = 0
        while part := read(1 << 16):
            total += len(part)
        return [str(total).encode()]

    assert bridge(app).client().post("/", data=bytes(3 << 20)).text == str(3 << 20)


def test_requests_are_served_at_once_up_to_the_threads(bridge):
    together = threading.Barrier(3)

    def app(environ, start_response):
        together.wait(10)
        start_response("200 OK", [])
        return [b"met"]

    client = bridge(app, threads=3).client()
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(client.get("/").text)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(15)
    assert found == ["met"] * 3


def test_head_has_the_headers_only(bridge):
    server = bridge(tell)
    with server.raw() as client:
        client.sendall(b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head, _, body = read_to_end(client).partition(b"\r\n\r\n")
    assert b"content-length: " in head.lower()
    assert body == b""


def test_each_part_is_passed_on_before_the_next_one_is_made(bridge):
    go_on = threading.Event()

    def app(environ, start_response):
        start_response("200 OK", [])

        def body():
            yield b"first"
            assert go_on.wait(10)
            yield b"second"

        return body()

    with bridge(app).client().stream("/") as answer:
        assert answer.raw.read(5) == b"first"
        go_on.set()
        assert answer.raw.read() == b"second"


def test_no_more_is_made_than_the_client_takes(bridge):
    made, closed = [], threading.Event()

    def app(environ, start_response):
        start_response("200 OK", [])

        def body():
            try:
                for number in range(4096):
                    made.append(number)
                    yield bytes(1 << 16)
            finally:
                closed.set()

        return body()

    server = bridge(app)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        client.settimeout(10)
        client.connect(("127.0.0.1", server.port))
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        read_until(client, b"200 OK")
        before = -1
        while before != len(made):
            before = len(made)
            time.sleep(0.3)
        assert len(made) < 200, "the rest waits for the client"
        while len(made) == before:
            client.recv(1 << 20)
    assert closed.wait(10), "a client that leaves ends the answer"
    assert len(made) < 4096


def test_an_error_before_the_answer_is_a_500_and_one_in_it_a_cut(bridge):
    closed = []

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/before":
            raise RuntimeError("private")
        start_response("200 OK", [])

        def body():
            try:
                if environ["PATH_INFO"] == "/in-first":
                    raise RuntimeError("private")
                yield b"half"
                raise RuntimeError("private")
            finally:
                closed.append(True)

        return body()

    client = bridge(app).client()
    for path in ("/before", "/in-first"):
        answer = client.get(path)
        assert answer.status_code == 500
        assert "private" not in answer.text
    assert closed == [True]
    with pytest.raises(requests.RequestException):
        client.get("/in")
    eventually(lambda: closed == [True] * 2)


def test_empty_answers(bridge):
    def app(environ, start_response):
        start_response("204 No Content" if environ["PATH_INFO"] == "/204" else "200 OK", [])
        return [] if environ["PATH_INFO"] == "/none" else [b""]

    client = bridge(app).client()
    for path, status in (("/204", 204), ("/none", 200), ("/empty", 200)):
        answer = client.get(path)
        assert (answer.status_code, answer.data) == (status, b"")


def test_write_is_not_supported(bridge):
    def app(environ, start_response):
        start_response("200 OK", [])(b"x")
        return []

    assert bridge(app).client().get("/").status_code == 500


def test_the_record_is_in_the_environment(bridge):
    def app(environ, start_response):
        environ[RECORD].route = "/mine"
        start_response("200 OK", [("X-Engine", "e")])
        return io.BytesIO(b"x")

    assert bridge(app).client().get("/").text == "x"
