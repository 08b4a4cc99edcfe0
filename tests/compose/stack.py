"""A Compose project under test, driven by the commands that a user types."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from tests.ports import free_ports

REPOSITORY = Path(__file__).resolve().parents[2]
SERVICES = ("gateway", "tts", "stt", "voice-agent")
PORTS = {"gateway": 8000, "tts": 5000, "stt": 5001, "voice-agent": 5002}
READY_WITHIN_S = 300
PREFIX = "localhost/voicemesh-test"
TAG = "test"


def compose_commands() -> dict[str, list[str]]:
    """The Composes of this machine by their major version: ``{"2": […], "1": […]}``.

    ``COMPOSE`` names a command besides those that are installed, and comes first.
    """
    found: dict[str, list[str]] = {}
    for command in (
        shlex.split(os.environ.get("COMPOSE", "")),
        ["docker", "compose"],
        ["docker-compose"],
    ):
        if not command or shutil.which(command[0]) is None:
            continue
        told = subprocess.run(
            [*command, "version", "--short"], capture_output=True, text=True, check=False
        )
        if told.returncode == 0:
            found.setdefault(told.stdout.strip().lstrip("v").partition(".")[0], command)
    return found


class Stack:
    """The containers of docker-compose.yml under a project name and ports of their own.

    Args:
        docker_host: where the engine listens; empty: the client's default.
        scratch: a folder for an empty ``.env``, so that a developer's own changes nothing.
        variables: settings of Compose.
    """

    def __init__(self, docker_host: str, scratch: Path, variables: Mapping[str, str]) -> None:
        self.command = next(iter(compose_commands().values()))
        self._empty = scratch / "empty.env"
        self._empty.touch()
        self.gateway, self.tts, self.stt = free_ports(3)
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.environment = kept | {
            "COMPOSE_PROJECT_NAME": "voicemesh-test",
            "PORT": str(self.gateway),
            "TTS_PORT": str(self.tts),
            "STT_PORT": str(self.stt),
            "IMAGE_PREFIX": PREFIX,
            "IMAGE_TAG": TAG,
            **variables,
        }
        if docker_host:
            self.environment["DOCKER_HOST"] = docker_host

    @property
    def url(self) -> str:
        """The gateway from outside."""
        return f"http://127.0.0.1:{self.gateway}"

    def compose(
        self,
        *arguments: str,
        variables: Mapping[str, str] | None = None,
        files: Sequence[str | Path] = (),
        timeout: float = 900,
    ) -> str:
        """Run Compose; its standard output. Fails with its last words when it does."""
        chosen = [word for file in files for word in ("-f", str(file))]
        return self._run(
            [*self.command, "--env-file", str(self._empty), *chosen, *arguments],
            {**self.environment, **(variables or {})},
            timeout,
        )

    def docker(self, *arguments: str, timeout: float = 600, both: bool = False) -> str:
        """Run the docker client; its standard output, and its standard error where ``both``."""
        return self._run(["docker", *arguments], self.environment, timeout, both)

    def containers(self, service: str) -> list[str]:
        """Ids of the service's containers, those that ended included."""
        return self._listed(service, "{{.ID}}")

    def container(self, service: str) -> str:
        """Id of the service's only container."""
        (only,) = self.containers(service)
        return only

    def inspect(self, name: str) -> dict[str, Any]:
        """What the engine knows of a container or an image."""
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", name))
        return found[0]

    def python(self, container: str, program: str) -> str:
        """What a Python program prints inside a container."""
        return self.docker("exec", container, "python", "-c", program, timeout=120)

    def metric(self, container: str, service: str, name: str, **labels: str) -> float:
        """Sum of a metric's samples whose labels agree, read inside the container."""
        text = self.python(
            container,
            "import urllib.request as r;"
            f"print(r.urlopen('http://127.0.0.1:{PORTS[service]}/metrics').read().decode())",
        )
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith((name + "{", name + " ")) and all(w in line for w in wanted)
        )

    def logs(self, service: str) -> str:
        """Everything that the service has said."""
        return self.compose("logs", "--no-color", service)

    def up(
        self, *arguments: str, variables: Mapping[str, str] | None = None, ready: bool = True
    ) -> float:
        """Start what is not running; seconds until the gateway says that all is ready."""
        started = time.monotonic()
        self.compose("up", "-d", "--no-build", *arguments, variables=variables)
        if ready:
            self.wait_ready()
        return time.monotonic() - started

    def wait_ready(self) -> None:
        """Wait until the gateway reports every service ready."""
        deadline = time.monotonic() + READY_WITHIN_S
        seen = "no answer"
        while time.monotonic() < deadline:
            status, seen = self._readiness()
            if status == HTTPStatus.OK:
                return
            time.sleep(0.5)
        raise AssertionError(f"not ready after {READY_WITHIN_S} s: {seen}\n{self.logs('tts')}")

    def is_whole(self) -> bool:
        """Whether one container of each service runs and the gateway says ready."""
        if any(self._listed(service, "{{.State}}") != ["running"] for service in SERVICES):
            return False
        return self._readiness()[0] == HTTPStatus.OK

    def _readiness(self) -> tuple[int, str]:
        """Status and body of the gateway's ``/readyz``; 0 and the reason where there is none."""
        # Not with requests, which leaves sockets behind when the other side hangs up.
        connection = HTTPConnection("127.0.0.1", self.gateway, timeout=10)
        try:
            connection.request("GET", "/readyz")
            with connection.getresponse() as answer:
                return answer.status, answer.read().decode()
        except (OSError, HTTPException) as error:
            return 0, type(error).__name__
        finally:
            connection.close()

    def _listed(self, service: str, what: str) -> list[str]:
        project = self.environment["COMPOSE_PROJECT_NAME"]
        return self.docker(
            *("ps", "-a", "--no-trunc", "--format", what),
            *("--filter", "label=com.docker.compose.oneoff=False"),
            *("--filter", f"label=com.docker.compose.project={project}"),
            *("--filter", f"label=com.docker.compose.service={service}"),
        ).split()

    def _run(
        self,
        command: list[str],
        environment: Mapping[str, str],
        timeout: float,
        both: bool = False,
    ) -> str:
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            words = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{words}")
        return done.stdout + (done.stderr if both else "")
