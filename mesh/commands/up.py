"""``mesh up``: run the whole mesh on this machine."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from rich.console import Console

    from mesh.processes.child import ServiceSpec
    from mesh.processes.supervisor import Supervisor, Tone

_COLOURS = {"tts": "magenta", "stt": "cyan", "agent": "green", "gateway": "blue", "mesh": "bold"}
_TONES = {"info": "", "good": "green", "bad": "yellow"}
_SHOWN_LEVELS = frozenset({"WARNING", "ERROR", "CRITICAL"})
_PORT = click.IntRange(1, 65535)


@click.command
@click.option("--port", type=_PORT, help="Of the gateway; the others follow it.  [PORT, 8000]")
@click.option("--tts-port", type=_PORT, help="[TTS_PORT, 5000]")
@click.option("--stt-port", type=_PORT, help="[STT_PORT, 5001]")
@click.option("--agent-port", type=_PORT, help="[AGENT_PORT, 5002]")
@click.option("--host", help="Where the gateway listens.  [BIND_HOST, 127.0.0.1]")
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=600,
    show_default=True,
    help="Give up when not everything is ready by then, seconds.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show every line that the services log.")
def command(verbose: bool, timeout: float, **options: int | str | None) -> None:
    """Start the mesh: prepare the models, run the four services, restart what crashes.

    Ctrl-C stops it; running answers get SHUTDOWN_GRACE_S seconds to finish. Logs are kept under
    $VOICEMESH_HOME/run/logs. A second mesh on this machine needs nothing but another --port: the
    other three ports follow it, and its logs and saved defaults are its own, in
    $VOICEMESH_HOME/mesh-PORT.
    """
    from rich.console import Console

    from mesh.commands.download import prepare
    from mesh.environment import ROOT
    from mesh.processes.services import configured_models, local_services, state_folder
    from mesh.processes.supervisor import RestartPolicy, Supervisor
    from shared.core.settings import CommonSettings

    # The services' own .env and voices folder are the repository's.
    os.chdir(ROOT)
    for name, value in options.items():
        if value is not None:
            os.environ["BIND_HOST" if name == "host" else name.upper()] = str(value)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    settings = CommonSettings()
    services = local_services()
    _require_ports(services)
    prepare(configured_models(), settings.home, console)

    def tell(name: str, text: str, tone: Tone) -> None:
        console.print(f"{name:<8}", style=_COLOURS.get(name, ""), end="")
        console.print(text, style=_TONES[tone])

    def on_line(name: str, line: str) -> None:
        if shown := line if verbose else worth_showing(line):
            tell(name, shown, "info")

    supervisor = Supervisor(
        services,
        folder=ROOT,
        logs=state_folder() / "run" / "logs",
        tell=tell,
        on_line=on_line,
        pace=RestartPolicy(start_timeout=timeout, grace=settings.shutdown_grace_s + 5.0),
    )
    _obey_signals(supervisor, console)
    console.print(f"mesh    starting {', '.join(spec.name for spec in services)}; Ctrl-C stops")
    supervisor.run(lambda seconds: console.print(ready_line(services, seconds), style="bold green"))
    console.print("mesh    stopped")


def ready_line(services: Sequence[ServiceSpec], seconds: float) -> str:
    """Return the line that reports that all services are ready, with their addresses."""
    *others, gateway = services
    host = f"[{gateway.host}]" if ":" in gateway.host else gateway.host
    ports = ", ".join(f"{spec.name} :{spec.port}" for spec in others)
    return (
        f"mesh    ready in {seconds:.1f} s: http://{host}:{gateway.port} "
        f"(page, API; reference at /docs)  {ports}"
    )


def worth_showing(line: str) -> str:
    """Return the console text of a log line: warnings and errors; empty for all others."""
    try:
        record = json.loads(line)
    except ValueError:
        # gunicorn's own lines and tracebacks are not JSON. Only gunicorn's errors are shown;
        # tracebacks stay in the log file.
        return line.partition("] [ERROR] ")[2]
    if not isinstance(record, dict) or record.get("level") not in _SHOWN_LEVELS:
        return ""
    reason = record.get("reason") or record.get("error")
    return f"{record.get('message', '')}" + (f": {reason}" if reason else "")


def _require_ports(services: Sequence[ServiceSpec]) -> None:
    from mesh.processes.ports import holder, is_free
    from mesh.processes.services import MEMBERS

    variables = {member.name: member.port for member in MEMBERS}
    taken = [spec for spec in services if not is_free(spec.port, spec.host)]
    if taken:
        raise click.ClickException(
            "\n".join(
                f"port {spec.port} of {spec.name} is taken by {holder(spec.port)}; "
                f"stop it, or choose another: {variables[spec.name]}=… or "
                f"--{variables[spec.name].lower().replace('_', '-')} …"
                for spec in taken
            )
            + "\n--port 9200 (or PORT=9200) moves all four: a second mesh beside the first"
        )


def _obey_signals(supervisor: Supervisor, console: Console) -> None:
    def stop(number: int, _frame: FrameType | None) -> None:
        if supervisor.stop.is_set():
            supervisor.hurry.set()
            return
        supervisor.stop.set()
        if number == signal.SIGINT:
            console.print("\nmesh    stopping; Ctrl-C again kills")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
