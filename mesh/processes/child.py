"""A supervised process in its own process group, with its output logged to a file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from logging import INFO, Formatter, LogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from threading import Thread
from typing import IO

LOG_BYTES = 10 * 1024 * 1024
LOG_FILES = 3
TAIL_LINES = 20
_END_WITH_PARENT = Path(__file__).with_name("end_with_parent.py")


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """The command, address and environment of a service.

    Attributes:
        name: name shown to the user.
        command: program and arguments.
        port: port that it listens on.
        host: address for its readiness probe.
        environment: variables added to this process's own.
        ready_path: path that responds with 200 when the service is ready; empty: running means
            ready.
    """

    name: str
    command: tuple[str, ...]
    port: int = 0
    host: str = "127.0.0.1"
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_path: str = "/readyz"


class Child:
    """A running service process.

    Start it from the thread that lives longest: the kernel sends the parent-death signal when the
    *thread* that started the child ends.

    Args:
        spec: what to run.
        folder: its working directory.
        log_file: file for its output; three files of 10 MB are rotated.
        on_line: called from another thread with every line of output.
    """

    def __init__(
        self, spec: ServiceSpec, folder: Path, log_file: Path, on_line: Callable[[str], None]
    ) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._on_line = on_line
        log_file.parent.mkdir(parents=True, exist_ok=True)
        self._log = RotatingFileHandler(
            log_file, maxBytes=LOG_BYTES, backupCount=LOG_FILES - 1, encoding="utf-8"
        )
        self._log.setFormatter(Formatter("%(message)s"))
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(_END_WITH_PARENT), str(os.getpid()), *spec.command],
            cwd=folder,
            env={**os.environ, **spec.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            encoding="utf-8",
            errors="replace",
        )
        assert self._process.stdout is not None  # noqa: S101
        self._reader = Thread(
            target=self._read, args=(self._process.stdout,), name=f"log-{spec.name}", daemon=True
        )
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its process group."""
        return self._process.pid

    def status(self) -> int | None:
        """Return the exit status, negative for a signal; None while the process runs.

        When the process has ended, the rest of its group is killed: a worker that outlives its
        master would keep the port.
        """
        if self._process.returncode is None:
            # The process is not reaped yet, so its group's id cannot have been reused.
            ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return None
            self._signal_group(signal.SIGKILL)
            self._process.wait()
            self._reader.join(5)
            self._log.close()
        return self._process.returncode

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the process itself, which lets its workers finish."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to the whole group and wait for the process to end."""
        if self._process.returncode is None:
            self._signal_group(signal.SIGKILL)
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            self.status()

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _read(self, output: IO[str]) -> None:
        with output:
            for line in output:
                text = line.rstrip("\n")
                self.tail.append(text)
                self._log.handle(LogRecord("", INFO, "", 0, text, None, None))
                self._on_line(text)
