"""A mesh of real processes on this machine, started as a user starts it: ``mesh up``."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
READY_WITHIN_S = 240
STOPPED_WITHIN_S = 30
FAKE_ENGINES = {"TTS_ENGINES": "fake", "STT_ENGINES": "fake", "LLM_ENGINES": "fake"}
"""A mesh that is ready within seconds and needs no models."""
_READY = re.compile(r"\bready in\b.*\bhttp", re.IGNORECASE)


class LocalMesh:
    """``mesh up``, stopped at the end of a ``with`` statement.

    Args:
        arguments: of ``mesh up``.
        environment: variables besides this process's own.
    """

    def __init__(self, *arguments: str, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mesh.cli", "up", *arguments],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._seen: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def wait_ready(self) -> None:
        """Wait for the line that says so; fails with the last words where it does not come."""
        while True:
            try:
                line = self._lines.get(timeout=READY_WITHIN_S)
            except queue.Empty:
                pytest.fail("the mesh did not get ready:\n" + "".join(self._seen[-40:]))
            if line is None:
                status = self._process.wait()
                pytest.fail(f"the mesh ended with {status}:\n" + "".join(self._seen[-40:]))
            if _READY.search(line):
                return

    def wait_ended(self, timeout_s: float) -> tuple[int, str]:
        """Exit status and everything that was printed, of a mesh that ends by itself."""
        status = self._process.wait(timeout_s)
        while self._lines.get(timeout=5) is not None:
            pass
        return status, "".join(self._seen)

    def stop(self) -> None:
        """Interrupt it as Ctrl-C does, and wait for its end."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _read(self) -> None:
        """Take all output, so that no pipe fills up."""
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                self._seen.append(line)
                self._lines.put(line)
        except ValueError:
            pass  # closed by stop()
        self._lines.put(None)
