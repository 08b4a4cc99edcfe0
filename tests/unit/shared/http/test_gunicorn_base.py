"""A real gunicorn with the settings that all services share: probes, draining, a stop in peace."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[4]
REQUESTS = 2
DRAIN_S = 1.5

CONFIG = """
from shared.core.settings import CommonSettings
from shared.http.server.gunicorn_base import serve

settings = CommonSettings(max_requests={requests}, drain_s={drain_s}, shutdown_grace_s=15)
globals().update(serve(settings, {port}))
"""
APP = """
import os, time

from shared.core.settings import CommonSettings
from shared.http.server.asgi.shell import Shell
from shared.http.server.asgi.wsgi_bridge import WsgiBridge

at_work = []

def app(environ, start_response):
    if environ["PATH_INFO"] == "/work":
        at_work.append(1)
        until = time.monotonic() + 20
        while not os.path.exists("done") and time.monotonic() < until:
            time.sleep(0.02)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(len(at_work)).encode()]

server = Shell(WsgiBridge(app, {requests} + 2), CommonSettings(max_requests={requests}))
"""


class Server:
    """The process, its address, and the answers that its workers have given."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, folder: Path) -> None:
        self.process, self.url, self._done = process, url, folder / "done"
        self.answers: list[str] = []
        self._threads: list[threading.Thread] = []

    def at_work(self) -> int:
        return int(self.probe("/livez").text)

    def probe(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=2, headers={"Connection": "close"})

    def occupy(self, places: int) -> None:
        """Send requests that stay at work until :meth:`finish`."""
        for _ in range(places):
            self._threads.append(threading.Thread(target=self._ask))
            self._threads[-1].start()

    def finish(self) -> None:
        self._done.touch()
        for thread in self._threads:
            thread.join(20)

    def _ask(self) -> None:
        try:
            self.answers.append(requests.get(f"{self.url}/work", timeout=30).text)
        except requests.ConnectionError:
            self.answers.append("cut")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (port,) = free_ports(1)
    (tmp_path / "busy.py").write_text(APP.format(requests=REQUESTS))
    (tmp_path / "conf.py").write_text(CONFIG.format(requests=REQUESTS, drain_s=DRAIN_S, port=port))
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", str(tmp_path / "conf.py"), "busy:server"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        stderr=subprocess.DEVNULL,
    )
    running = Server(process, f"http://127.0.0.1:{port}", tmp_path)
    for _ in range(400):
        try:
            running.at_work()
            break
        except requests.ConnectionError:
            time.sleep(0.05)
    yield running
    running.finish()
    process.terminate()
    process.wait(30)


def until_at_work(server: Server, places: int) -> None:
    until = time.monotonic() + 20
    while server.at_work() < places:
        assert time.monotonic() < until, "they wait for a thread"
        time.sleep(0.02)


def test_a_probe_is_answered_while_every_place_is_taken(server: Server) -> None:
    server.occupy(REQUESTS)
    until_at_work(server, REQUESTS)
    assert server.at_work() == REQUESTS
    assert server.probe("/other").status_code == 503


def test_answers_at_work_are_finished_at_a_stop(server: Server) -> None:
    server.occupy(1)
    until_at_work(server, 1)
    server.process.terminate()
    time.sleep(2.5)
    server.finish()
    assert server.answers == ["1"]


def test_a_service_that_drains_is_not_ready_and_serves_on(server: Server) -> None:
    assert server.probe("/readyz").status_code == 200
    server.process.terminate()
    until = time.monotonic() + 10
    while server.probe("/readyz").status_code == 200:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert server.probe("/readyz").json()["error"]["code"] == "draining"
    assert server.probe("/other").status_code == 200
    server.process.wait(20)
    with pytest.raises(requests.ConnectionError):
        server.probe("/livez")
