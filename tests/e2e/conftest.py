"""The whole mesh, started once for all tests here as a user starts it: ``mesh up``."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from openai import OpenAI

from tests.ports import free_ports

REPOSITORY = Path(__file__).resolve().parents[2]
TOKEN = os.environ.get("MESH_TOKEN", "e2e-token")
READY_WITHIN_S = 240
STOPPED_WITHIN_S = 30
_READY = re.compile(r"\bready\b", re.IGNORECASE)


@pytest.fixture(scope="session")
def mesh_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Base URL of a running gateway.

    ``MESH_URL`` (with ``MESH_TOKEN`` where it wants one) names a mesh that runs already; otherwise
    one is started on free ports and stopped at the end of the session.
    """
    if running := os.environ.get("MESH_URL"):
        yield running.rstrip("/")
        return
    if find_spec("mesh.cli") is None:
        pytest.skip("the mesh command is not there")
    request.getfixturevalue("models_dir")
    ports = free_ports(4)
    names = ("PORT", "TTS_PORT", "STT_PORT", "AGENT_PORT")
    environment = os.environ | dict(zip(names, map(str, ports), strict=True))
    environment |= {"API_TOKENS": TOKEN, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "mesh.cli", "up"],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _wait_until_ready(process)
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="session")
def openai_client(mesh_url: str) -> Iterator[OpenAI]:
    """The unmodified OpenAI client, pointed at the mesh."""
    with OpenAI(base_url=f"{mesh_url}/v1", api_key=TOKEN, timeout=120, max_retries=2) as client:
        yield client


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    """Read the output to the ready line; later output is read and dropped, so no pipe fills up."""
    lines: queue.Queue[str | None] = queue.Queue()
    assert process.stdout is not None
    output = process.stdout

    def read() -> None:
        try:
            for line in output:
                lines.put(line)
        except ValueError:
            pass  # closed at the end of the session
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    seen: list[str] = []
    while True:
        try:
            line = lines.get(timeout=READY_WITHIN_S)
        except queue.Empty:
            pytest.fail("the mesh did not get ready:\n" + "".join(seen[-40:]))
        if line is None:
            pytest.fail(f"the mesh ended with {process.wait()}:\n" + "".join(seen[-40:]))
        seen.append(line)
        if _READY.search(line) and "http" in line:
            return
