"""Four real processes with fake engines, attacked on their real ports."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.local_mesh import FAKE_ENGINES, LocalMesh
from tests.ports import four_in_a_row

HEALTH_WITHIN_S = 1.0
"""Within this time every port must say that it lives, whatever somebody else does to it."""
SERVICES = ("gateway", "tts", "stt", "agent")


class Mesh:
    """The mesh under attack, as a bystander sees it."""

    def __init__(self, port: int) -> None:
        self.ports = {name: port + offset for offset, name in enumerate(SERVICES)}

    def connect(self, service: str = "gateway") -> socket.socket:
        """A connection of an attacker."""
        return socket.create_connection(("127.0.0.1", self.ports[service]), timeout=10)

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        *,
        service: str = "gateway",
        timeout: float = 10,
        **headers: str,
    ) -> tuple[int, bytes]:
        """Status and body of a bystander's request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[service], timeout=timeout)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("GET" if body is None else "POST", path, body, sent)
            with connection.getresponse() as answer:
                return answer.status, answer.read()
        finally:
            connection.close()

    def synthesize(self, text: str = "Hello there.", *, service: str = "gateway") -> bytes:
        """Speech for a bystander."""
        status, wav = self.ask(
            "/synthesize",
            json.dumps({"text": text}).encode(),
            service=service,
            content_type="application/json",
        )
        assert status == 200, wav
        return wav

    def lives(self) -> None:
        """Every port says in time that it lives."""
        for service in SERVICES:
            status, _ = self.ask("/livez", service=service, timeout=HEALTH_WITHIN_S)
            assert status == 200, service

    def is_unharmed(self) -> None:
        """Every port says in time that it lives, and a bystander is served."""
        self.lives()
        wav = self.synthesize()
        assert wav[:4] == b"RIFF"
        status, answer = self.ask("/transcribe", wav, content_type="audio/wav")
        assert status == 200, answer

    def wait_unharmed(self, within_s: float = 20) -> None:
        """Wait until the mesh is ready and unharmed again."""
        until = time.monotonic() + within_s
        while True:
            try:
                assert self.ask("/readyz", timeout=3)[0] == 200
                self.is_unharmed()
                return
            except (AssertionError, OSError, http.client.HTTPException):
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def worker(self, service: str) -> int:
        """Process id of the worker that serves a port."""
        listeners = _processes_listening(self.ports[service])
        # gunicorn's master listens too; the worker is its child.
        return max(listeners, key=lambda pid: (_parent(pid) in listeners, pid))

    def threads(self, service: str) -> int:
        """Threads of a service's worker."""
        return len(list(Path(f"/proc/{self.worker(service)}/task").iterdir()))

    def resident_mib(self, service: str) -> float:
        """Memory of a service's worker."""
        for line in Path(f"/proc/{self.worker(service)}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no VmRSS")

    @contextmanager
    def frozen(self, service: str) -> Iterator[None]:
        """Stop a worker from running inside the block, as a hung process is."""
        pid = self.worker(service)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def mesh(tmp_path_factory) -> Iterator[Mesh]:
    """A mesh of its own for each module."""
    home = tmp_path_factory.mktemp("hostile")
    port = four_in_a_row()
    environment = {"VOICEMESH_HOME": str(home), "LOG_LEVEL": "WARNING", **FAKE_ENGINES}
    with LocalMesh("--port", str(port), environment=environment) as running:
        running.wait_ready()
        yield Mesh(port)


@pytest.fixture
def held() -> Iterator[list[socket.socket]]:
    """Connections that an attacker keeps open until the end of the test."""
    sockets: list[socket.socket] = []
    yield sockets
    for connection in sockets:
        with suppress(OSError):
            connection.close()


def _processes_listening(port: int) -> set[int]:
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and int(fields[1].split(":")[1], 16) == port:
            inodes.add(f"socket:[{fields[9]}]")
    found = set()
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):
            if any(str(link.readlink()) in inodes for link in folder.iterdir()):
                found.add(int(folder.parent.name))
    return found


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
