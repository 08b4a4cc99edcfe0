"""``mesh doctor``: report what is missing and the commands that fix it."""

from __future__ import annotations

import sys

import click

_SIGNS = {"ok": ("ok", "green"), "note": ("--", "blue"), "problem": ("!!", "red")}


@click.command
def command() -> None:
    """Look at everything the mesh needs; the status is 1 when something is wrong."""
    from mesh.doctor_checks import examine

    problems = 0
    for finding in examine():
        sign, colour = _SIGNS[finding.verdict]
        click.secho(f"{sign}  {finding.subject:<22} ", fg=colour, nl=False)
        click.echo(finding.text)
        if finding.fix:
            click.echo(f"{'':<27}→ {finding.fix}")
        problems += finding.verdict == "problem"
    if problems:
        click.secho(f"{problems} problem{'s' if problems > 1 else ''}", fg="red")
        sys.exit(1)
    click.secho("all is well", fg="green")
