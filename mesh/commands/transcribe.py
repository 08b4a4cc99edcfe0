"""``mesh transcribe``: convert recordings to text, subtitles or JSON."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mesh.connection import Connection, connected
from shared.core.errors import MeshError, UpstreamUnavailable

FORMATS = ("text", "json", "srt", "vtt", "verbose_json")


@click.command
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--format", "shape", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--language", help="Language spoken.  [detected]")
@connected
def command(
    files: tuple[Path, ...], shape: str, language: str | None, connection: Connection
) -> None:
    """Write what is said in FILES to standard output."""
    from mesh.cli import describe

    failed = False
    for file in files:
        try:
            heard = _transcribe(connection, file, shape, language)
        except UpstreamUnavailable:
            raise
        except MeshError as error:
            click.echo(f"{file}: {describe(error)}", err=True)
            failed = True
            continue
        if len(files) > 1 and "json" not in shape:
            click.echo(f"==> {file} <==")
        click.echo(heard)
    if failed:
        sys.exit(1)


def _transcribe(connection: Connection, file: Path, shape: str, language: str | None) -> str:
    fields = {"response_format": shape, "model": "whisper-1"}
    if language:
        fields["language"] = language
    with (
        file.open("rb") as stream,
        connection.request(
            "POST",
            "/v1/audio/transcriptions",
            data=fields,
            files={"file": (file.name, stream)},
        ) as answer,
    ):
        # `.text` would decode a text response without a charset as Latin-1.
        return str(answer.content.decode("utf-8")).rstrip("\n")
