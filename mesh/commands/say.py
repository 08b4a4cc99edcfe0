"""``mesh say``: synthesize text to a file, standard output or the loudspeaker."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, Any

import click

from mesh.connection import CHUNK_BYTES, Connection, connected

CONTAINERS = ("wav", "mp3", "opus", "flac", "aac", "pcm")
_BY_SUFFIX = {".ogg": "opus", ".oga": "opus", ".raw": "pcm", ".m4a": "aac"}


def container_of(output: str | None, asked: str | None) -> str:
    """Return the audio container: ``asked``, or else by the file's extension, or else WAV."""
    if asked:
        return asked
    suffix = Path(output or "").suffix.lower()
    name = _BY_SUFFIX.get(suffix, suffix.removeprefix("."))
    return name if name in CONTAINERS else "wav"


def _text_of(text: str | None, file: IO[str] | None) -> str:
    if (text is None) == (file is None):
        raise click.UsageError("give TEXT or --file FILE (- reads standard input)")
    if file is None:
        return sys.stdin.read() if text == "-" else str(text)
    try:
        return file.read()
    except UnicodeDecodeError:
        raise click.ClickException(f"{file.name} is no UTF-8 text") from None


@click.command
@click.argument("text", required=False)
@click.option("-f", "--file", type=click.File(encoding="utf-8"), help="Read the text from a file.")
@click.option("-o", "--output", metavar="FILE", help="Where to write; - for standard output.")
@click.option("--voice", help="A voice of `mesh voices`.")
@click.option("--language", help="en, es, pt, …  [the voice's own, or the mesh's default]")
@click.option("--speed", type=click.FloatRange(0.25, 4.0), default=1.0, show_default=True)
@click.option("--format", "container", type=click.Choice(CONTAINERS), help="[by FILE's ending]")
@connected
def command(
    text: str | None,
    file: IO[str] | None,
    output: str | None,
    voice: str | None,
    language: str | None,
    speed: float,
    container: str | None,
    connection: Connection,
) -> None:
    """Speak TEXT.

    Without --output it is played. `mesh say "Hello" -o hello.mp3` writes a file.
    """
    body: dict[str, Any] = {"text": _text_of(text, file), "speed": speed}
    body |= {k: v for k, v in (("voice", voice), ("language", language)) if v}
    if output is None:
        _play(connection, body)
        return
    body["format"] = container_of(output, container)
    with connection.request("POST", "/synthesize", json=body) as answer:
        chunks = answer.iter_content(CHUNK_BYTES)
        if output == "-":
            for chunk in chunks:
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        else:
            from mesh.audio_file import save

            size = save(chunks, Path(output))
            click.echo(f"{output}: {size:,} bytes, {_made_by(answer.headers)}", err=True)


def _play(connection: Connection, body: dict[str, Any]) -> None:
    from mesh.sound_devices import play_pcm, require_player

    require_player()
    with connection.request("POST", "/synthesize", json=body | {"format": "pcm"}) as answer:
        click.echo(_made_by(answer.headers), err=True)
        rate = int(answer.headers.get("X-Sample-Rate", 24_000))
        play_pcm(answer.iter_content(CHUNK_BYTES), rate)


def _made_by(headers: Any) -> str:
    parts = [
        f"{label} {headers[name]}"
        for label, name in (("engine", "X-Engine"), ("voice", "X-Voice"))
        if name in headers
    ]
    if ignored := headers.get("X-Ignored-Parameters"):
        parts.append(f"ignored: {ignored}")
    return ", ".join(parts) or "done"
