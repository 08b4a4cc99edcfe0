"""``mesh voices``: list the available voices."""

from __future__ import annotations

import json
from typing import Any

import click

from mesh.connection import Connection, connected


@click.command
@click.option("--json", "as_json", is_flag=True, help="The catalogue as the mesh answers it.")
@click.option("--language", help="Only its native voices: es, pt, en-gb, …")
@connected
def command(as_json: bool, language: str | None, connection: Connection) -> None:
    """List the voices there are."""
    answer = connection.json("GET", "/v1/audio/voices")
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    voices = [voice for voice in answer["voices"] if not language or _speaks(voice, language)]
    if not voices:
        raise click.ClickException(f"no voice speaks '{language}'" if language else "no voices")
    from rich.table import Table

    from mesh.display import wide_console

    table = Table("voice", "language", "gender", "engine", "licence", "also called", box=None)
    for voice in voices:
        table.add_row(
            str(voice.get("id", "")),
            str(voice.get("language", "")),
            str(voice.get("gender", "")),
            str(voice.get("engine", "")),
            str(voice.get("licence", "")),
            ", ".join(voice.get("aliases") or ()),
        )
    wide_console().print(table)


def _speaks(voice: dict[str, Any], language: str) -> bool:
    """Return whether a voice is native to the language; nearly all can speak any language."""
    wanted, tag = language.lower(), str(voice.get("language", "")).lower()
    return wanted in (tag, tag.split("-")[0])
