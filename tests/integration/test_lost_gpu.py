"""A service whose GPU is lost: gunicorn replaces the process that lost it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]

CONFIG = """
from shared.http.server.gunicorn_base import serve
from shared.core.settings import CommonSettings

globals().update(serve(CommonSettings(), {port}))
"""
APP = """
import os
from shared.core.settings import CommonSettings
from shared.engines import lost_device
from shared.http.server.asgi.shell import Shell
from shared.http.server.asgi.wsgi_bridge import WsgiBridge

def answer(environ, start_response):
    if environ["PATH_INFO"] == "/lose":
        lost_device.notice(RuntimeError("CUDA failed with error an illegal memory access"))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]

app = Shell(WsgiBridge(answer, 4), CommonSettings())
"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    (port,) = free_ports(1)
    (tmp_path / "loser.py").write_text(APP)
    (tmp_path / "conf.py").write_text(CONFIG.format(port=port))
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", str(tmp_path / "conf.py"), "loser:app"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        stderr=subprocess.DEVNULL,
    )
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


def pid_of(url: str) -> str:
    """The process that answers, as soon as one does."""
    for _ in range(400):
        try:
            return requests.get(url, timeout=5, headers={"Connection": "close"}).text
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError("nothing answers")


def test_another_process_takes_over(url: str) -> None:
    before = pid_of(url)
    assert pid_of(url) == before
    # The request that met the fault still gets its answer.
    assert pid_of(f"{url}/lose") == before
    for _ in range(100):
        if pid_of(url) != before:
            return
        time.sleep(0.1)
    raise AssertionError("the process that lost its GPU still answers")
