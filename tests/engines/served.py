"""A service with heavy engines as its container runs it: gunicorn, one worker, one port."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests

REPOSITORY = Path(__file__).resolve().parents[2]
READY_WITHIN_S = 180


class Served:
    """A running service; close it.

    Args:
        package: ``tts_service`` or ``stt_service``.
        port_variable: the variable that sets its port.
        home: its VOICEMESH_HOME.
        settings: further settings, by field name.
        module: has ``create_server``; the package's own where not given.
    """

    def __init__(
        self,
        package: str,
        port_variable: str,
        home: Path,
        settings: dict[str, Any],
        module: str | None = None,
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        environment = os.environ | {name.upper(): str(v) for name, v in settings.items()}
        environment |= {port_variable: str(port), "VOICEMESH_HOME": str(home)}
        command = ("-m", "gunicorn", "-c", f"{package}/gunicorn.conf.py")
        self.log = home / f"{package}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *command, f"{module or package + '.app'}:create_server()"],
                cwd=REPOSITORY,
                env=environment,
                stdout=log,
                stderr=log,
            )

    def wait_ready(self) -> None:
        """Until ``/readyz`` says so."""
        until = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < until and self._process.poll() is None:
            try:
                if requests.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.3)
        raise AssertionError(f"not ready: {self.log.read_text('utf-8')[-3000:]}")

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have ``labels``."""
        total = 0.0
        for line in requests.get(f"{self.url}/metrics", timeout=10).text.splitlines():
            found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
            if found and all(
                f'{key}="{value}"' in (found[1] or "") for key, value in labels.items()
            ):
                total += float(found[2])
        return total

    def memory_mib(self) -> float:
        """PSS of the service and its worker."""
        pids = [self._process.pid, *_children(self._process.pid)]
        return sum(_pss_mib(pid) for pid in pids)

    def close(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(30)


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text("utf-8").split()]


def _pss_mib(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8")
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1]) / 1024
