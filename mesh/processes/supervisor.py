"""Start, monitor, restart and stop several services.

:meth:`Supervisor.run` is a loop in the calling thread, which should be the main one (see
:class:`mesh.processes.child.Child`). Signal handlers only set events.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Literal

import click

from mesh.processes.child import Child, ServiceSpec

Tone = Literal["info", "good", "bad"]
Tell = Callable[[str, str, Tone], None]
"""Called with (service, message, tone)."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """The supervisor's intervals and timeouts, seconds.

    Attributes:
        tick: interval between two checks of the children.
        probe: interval between two readiness probes of a service that is not ready.
        probe_ready: the same for a service that is ready.
        first_delay: delay before the first restart; doubled for each further one.
        longest_delay: maximum delay before a restart.
        steady: run time after which a service's restart delay is reset.
        start_timeout: timeout for all services to become ready.
        grace: time for running requests to finish at a stop; then the rest is killed.
        reminder: interval between two messages about services that are not ready.
    """

    tick: float = 0.1
    probe: float = 0.5
    probe_ready: float = 5.0
    first_delay: float = 0.5
    longest_delay: float = 30.0
    steady: float = 60.0
    start_timeout: float = 600.0
    grace: float = 25.0
    reminder: float = 20.0


START_ATTEMPTS = 3
"""Number of failed starts, before the mesh was ready, after which starting is given up. The cause
is then permanent: a port taken meanwhile, a setting, a broken installation.
"""


class StartFailed(click.ClickException):
    """The mesh did not become ready; the message says why."""


class _Watched:
    """A service with its current process and state."""

    def __init__(self, spec: ServiceSpec) -> None:
        self.spec = spec
        self.child: Child | None = None
        self.ready = False
        self.ends = 0
        self.started_at = 0.0
        self.restart_at = 0.0
        self.probe_at = 0.0
        self.waiting_for = "starting"


class Supervisor:
    """A supervisor that runs ``services`` until :attr:`stop` is set.

    Args:
        services: services in the order of their start; stopped in reverse order.
        folder: working directory of all services.
        logs: folder for their output, ``<name>-<port>.log``.
        tell: called with status messages.
        on_line: called from other threads with (service, line) for every line of output.
        pace: intervals and timeouts.
    """

    def __init__(
        self,
        services: Sequence[ServiceSpec],
        *,
        folder: Path,
        logs: Path,
        tell: Tell,
        on_line: Callable[[str, str], None] = lambda _name, _line: None,
        pace: RestartPolicy | None = None,
    ) -> None:
        self._services = [_Watched(spec) for spec in services]
        self._folder = folder
        self._logs = logs
        self._tell = tell
        self._on_line = on_line
        self._pace = pace or RestartPolicy()
        self._was_ready = False
        self.stop = Event()
        """Set this event to end :meth:`run`."""
        self.hurry = Event()
        """Set this event to end the grace period at once."""

    def run(self, on_ready: Callable[[float], None]) -> None:
        """Start all services; return when ``stop`` is set and all processes have ended.

        Args:
            on_ready: called once when every service is ready, with the seconds this took.

        Raises:
            StartFailed: a service keeps ending before the mesh was ready, or the start timed out.
                The message for a service that ended contains the last lines of its output.
                Everything has been stopped.
        """
        begun = time.monotonic()
        remind_at = begun + self._pace.reminder
        try:
            for service in self._services:
                self._start(service)
            while not self.stop.wait(self._pace.tick):
                now = time.monotonic()
                for service in self._services:
                    self._look_after(service, now)
                if self._was_ready:
                    continue
                if all(service.ready for service in self._services):
                    self._was_ready = True
                    on_ready(time.monotonic() - begun)
                elif now - begun > self._pace.start_timeout:
                    raise StartFailed(
                        f"not ready after {self._pace.start_timeout:g} s: {self._missing()}"
                    )
                elif now > remind_at:
                    remind_at = now + self._pace.reminder
                    self._tell("mesh", f"waiting for {self._missing()}", "info")
        finally:
            self._stop_all()

    def log_of(self, spec: ServiceSpec) -> Path:
        """Return the path of a service's log file."""
        return self._logs / f"{spec.name}-{spec.port}.log"

    def _start(self, service: _Watched) -> None:
        name = service.spec.name
        service.child = Child(
            service.spec,
            self._folder,
            self.log_of(service.spec),
            lambda line: self._on_line(name, line),
        )
        service.started_at = service.probe_at = time.monotonic()
        service.waiting_for = "starting"

    def _look_after(self, service: _Watched, now: float) -> None:
        if service.child is None:
            if now >= service.restart_at:
                self._start(service)
            return
        status = service.child.status()
        if status is not None:
            self._ended(service, service.child, status, now)
        elif now >= service.probe_at and (service.ready or self._is_its_turn(service)):
            self._probe(service)

    def _is_its_turn(self, service: _Watched) -> bool:
        """Return whether all services before this one are ready.

        Earlier probes would only fill the logs with failures.
        """
        before = self._services[: self._services.index(service)]
        return all(other.ready for other in before)

    def _ended(self, service: _Watched, child: Child, status: int, now: float) -> None:
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        name = service.spec.name
        if now - service.started_at > self._pace.steady:
            service.ends = 0
        service.ends += 1
        service.child, service.ready = None, False
        if not self._was_ready and service.ends >= START_ATTEMPTS:
            tail = "\n".join(f"  {line}" for line in child.tail)
            raise StartFailed(
                f"{name} {how}, {service.ends} times in a row; the last of its output "
                f"({self.log_of(service.spec)}):\n{tail}"
            )
        delay = min(self._pace.first_delay * 2 ** (service.ends - 1), self._pace.longest_delay)
        service.restart_at = now + delay
        log = self.log_of(service.spec)
        self._tell(name, f"{how}; starting it again in {delay:g} s (log: {log})", "bad")

    def _probe(self, service: _Watched) -> None:
        ready, service.waiting_for = is_ready(service.spec)
        if ready != service.ready:
            service.ready = ready
            if ready:
                self._tell(service.spec.name, "ready again" if self._was_ready else "ready", "good")
            else:
                self._tell(service.spec.name, f"not ready: {service.waiting_for}", "bad")
        pause = self._pace.probe_ready if ready else self._pace.probe
        service.probe_at = time.monotonic() + pause

    def _missing(self) -> str:
        return "; ".join(
            f"{service.spec.name} ({service.waiting_for})"
            for service in self._services
            if not service.ready
        )

    def _stop_all(self) -> None:
        deadline = time.monotonic() + self._pace.grace
        # Stop in reverse order: the last service uses the others and finishes while they still run.
        for service in reversed(self._services):
            child = service.child
            if child is None:
                continue
            child.ask_to_stop()
            while child.status() is None:
                if self.hurry.wait(self._pace.tick / 2) or time.monotonic() > deadline:
                    self._tell(service.spec.name, "did not finish in time; killed", "bad")
                    child.kill()
            service.child = None


def is_ready(spec: ServiceSpec) -> tuple[bool, str]:
    """Return whether a service's readiness probe responds with 200, and otherwise the reason."""
    if not spec.ready_path:
        return True, ""
    connection = http.client.HTTPConnection(spec.host, spec.port, timeout=5)
    try:
        connection.request("GET", spec.ready_path)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return False, "no answer yet"
    finally:
        connection.close()
    return (True, "") if answer.status == 200 else (False, _reasons(body))


def _reasons(body: bytes) -> str:
    """Return a short text of what a ``/readyz`` body reports as not ready."""
    try:
        report = json.loads(body)
    except ValueError:
        return "not ready"
    states: dict[str, Any] = {}
    for part in report.values() if isinstance(report, dict) else ():
        if isinstance(part, dict):
            states.update(part)
    words = []
    for name, entry in states.items():
        state = entry.get("state") if isinstance(entry, dict) else entry
        reason = entry.get("reason") if isinstance(entry, dict) else None
        if state != "ready":
            words.append(f"{name}: {state}" + (f", {reason}" if reason else ""))
    return "; ".join(words) or "not ready"
