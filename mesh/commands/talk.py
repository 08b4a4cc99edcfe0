"""``mesh talk``: ask by voice and get a spoken answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mesh.connection import Connection, connected

if TYPE_CHECKING:
    from mesh.conversation import Conversation


@click.command
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the spoken answer to this WAV file instead of playing it.",
)
@connected
def command(file: Path | None, output: Path | None, connection: Connection) -> None:
    """Ask with a recording, or through the microphone.

    With FILE: one question, one answer. Without: press Enter, speak, press Enter; the conversation
    goes on, with memory, until Ctrl-D.
    """
    from mesh.conversation import Conversation
    from mesh.sound_devices import require_player, require_recorder

    if file is None:
        require_recorder()
    if output is None:
        require_player()
    with Conversation(connection) as conversation:
        if file is not None:
            _turn(conversation, file.read_bytes(), output)
            return
        _by_microphone(conversation, output)


def _by_microphone(conversation: Conversation, output: Path | None) -> None:
    from mesh.sound_devices import record_wav

    number = 0
    while True:
        try:
            input("Enter to speak, Ctrl-D to end: ")
            question = record_wav(_wait_for_enter)
        except EOFError:
            click.echo()
            return
        number += 1
        target = output
        if output is not None and number > 1:
            # Later answers do not overwrite the earlier ones.
            target = output.with_stem(f"{output.stem}-{number}")
        _turn(conversation, question, target)


def _wait_for_enter() -> None:
    input("speak; Enter when done: ")


def _turn(conversation: Conversation, question: bytes, output: Path | None) -> None:
    audio = conversation.ask(question, _show)
    if not audio:
        return
    if output is not None:
        from mesh.audio_file import save

        size = save([audio], output)
        click.echo(f"{output}: {size:,} bytes", err=True)
    else:
        from mesh.sound_devices import play_wav

        play_wav(audio)


def _show(heard: str, reply: str) -> None:
    if not heard:
        click.secho("(nothing was said)", fg="yellow")
        return
    click.secho(f"you:  {heard}", fg="cyan")
    click.secho(f"mesh: {reply}", fg="green")
