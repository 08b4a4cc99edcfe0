"""One supervised process: started in a group of its own, its output kept, its whole group ended."""

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
    """What to run.

    Attributes:
        name: shown to the user.
        command: program and arguments.
        port: it listens on.
        host: where to probe it.
        environment: variables set besides this process's own.
        ready_path: answers 200 when the service can work; empty: alive means ready.
    """

    name: str
    command: tuple[str, ...]
    port: int = 0
    host: str = "127.0.0.1"
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_path: str = "/readyz"


class Child:
    """A running service. It must be started from the thread that lives longest: the kernel's
    signal at the parent's death comes when the *thread* that started the child ends.

    Args:
        spec: what to run.
        folder: its working directory.
        log_file: where its output goes; 10 MB, then the next of three files.
        on_line: told every line of output, from another thread.
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
        """Process id, which is also that of its group."""
        return self._process.pid

    def status(self) -> int | None:
        """Exit status, negative for a signal; None while it runs.

        When it has ended, what is left of its group is ended too: a worker that outlives its
        master would keep the port.
        """
        if self._process.returncode is None:
            # Not reaped yet, so the group's id cannot have gone to somebody else.
            ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return None
            self._signal_group(signal.SIGKILL)
            self._process.wait()
            self._reader.join(5)
            self._log.close()
        return self._process.returncode

    def ask_to_stop(self) -> None:
        """SIGTERM to the process itself, which lets its workers finish."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the whole group, and wait for its end."""
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
