"""Connections on which somebody waits for an answer that nobody wants any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import requests
import trustme

from shared.core.cancellation import watching
from shared.core.errors import ClientGone
from shared.http.client.watched_connections import WatchedAdapter
from tests.little_server import LittleServer

Start = Callable[[Callable[[BaseHTTPRequestHandler], None]], str]
LONG_S = 30.0


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=["http", "https"])
def serve(request: pytest.FixtureRequest, authority: trustme.CA) -> Iterator[Start]:
    """Start a server whose requests a function answers; its address."""
    running: list[LittleServer] = []

    def start(answer: Callable[[BaseHTTPRequestHandler], None]) -> str:
        certificate = authority.issue_cert("127.0.0.1") if request.param == "https" else None
        running.append(LittleServer(answer, certificate))
        return running[-1].url

    yield start
    for server in running:
        server.close()


@pytest.fixture
def session(authority: trustme.CA, tmp_path: Path) -> Iterator[requests.Session]:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(tmp_path / "ca.pem")
        for scheme in ("http://", "https://"):
            session.mount(scheme, WatchedAdapter())
        yield session


def reply(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "2")
    handler.end_headers()
    handler.wfile.write(b"ok")


def test_an_answer_arrives_while_the_client_is_there(
    serve: Start, session: requests.Session
) -> None:
    def late(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.3)
        reply(handler)

    url = serve(late)
    with watching(lambda: False):
        assert [session.get(url, timeout=LONG_S).text for _ in range(2)] == ["ok", "ok"]


def test_a_client_that_leaves_ends_the_wait_and_the_connection(
    serve: Start, session: requests.Session
) -> None:
    asked, hung_up = threading.Event(), threading.Event()

    def never(handler: BaseHTTPRequestHandler) -> None:
        asked.set()
        handler.connection.settimeout(LONG_S)
        if handler.connection.recv(1) == b"":
            hung_up.set()
        handler.close_connection = True

    url = serve(never)
    with watching(asked.is_set), pytest.raises(ClientGone):
        session.get(url, timeout=LONG_S)
    assert hung_up.wait(5), "the server is to see that nobody waits any more"


def test_a_server_that_breaks_off_is_not_a_client_that_left(
    serve: Start, session: requests.Session
) -> None:
    def drop(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True

    url = serve(drop)
    with watching(lambda: False), pytest.raises(requests.ConnectionError):
        session.get(url, timeout=LONG_S)


def test_a_server_that_is_silent_runs_into_the_limit(
    serve: Start, session: requests.Session
) -> None:
    over = threading.Event()

    def silent(handler: BaseHTTPRequestHandler) -> None:
        over.wait(LONG_S)
        handler.close_connection = True

    url = serve(silent)
    try:
        with watching(lambda: False), pytest.raises(requests.ReadTimeout):
            session.get(url, timeout=0.3)
    finally:
        over.set()


def test_a_client_that_leaves_ends_the_wait_for_a_proxy_too(session: requests.Session) -> None:
    asked, over = threading.Event(), threading.Event()

    def never(handler: BaseHTTPRequestHandler) -> None:
        asked.set()
        over.wait(LONG_S)
        handler.close_connection = True

    proxy = LittleServer(never)
    session.proxies = {"http": proxy.url}
    try:
        with watching(asked.is_set), pytest.raises(ClientGone):
            session.get("http://tts.example/", timeout=5)
    finally:
        over.set()
        proxy.close()
