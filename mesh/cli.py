"""The ``mesh`` command, whose subcommands are imported only when they are used."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from shared.core.errors import MeshError

COMMANDS = ("up", "say", "transcribe", "talk", "voices", "download", "doctor")
_SHOWN_CHOICES = 60


class _Lazy(click.Group):
    """A click group whose commands are ``command`` in the modules ``mesh.commands.<name>``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found = importlib.import_module(f"mesh.commands.{cmd_name}").command
        assert isinstance(found, click.Command)  # noqa: S101
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; report every error as one message and a non-zero exit status."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except MeshError as error:
            raise click.ClickException(describe(error)) from None
        except BrokenPipeError:
            # The reader (for example ``head``) has closed the pipe; avoid another error at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(1) from None
        except Exception as error:
            if os.environ.get("MESH_DEBUG"):
                raise
            raise click.ClickException(
                f"{type(error).__name__}: {error} (MESH_DEBUG=1 shows where)"
            ) from error


def describe(error: MeshError) -> str:
    """Return the error's message with field, available choices, request id and retry time."""
    text = error.message
    if error.param:
        text += f" (field: {error.param})"
    available = error.details.get("available")
    if isinstance(available, list) and available:
        shown = ", ".join(str(name) for name in available[:_SHOWN_CHOICES])
        more = len(available) - _SHOWN_CHOICES
        text += f"\nThere is: {shown}" + (f" and {more} more" if more > 0 else "")
    if request_id := error.details.get("request_id"):
        text += f"\nIn the logs under {request_id}."
    if error.retry_after:
        text += f"\nTry again in {error.retry_after:g} s."
    return text


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="voicemesh", prog_name="mesh")
def group() -> None:
    """Voicemesh: speech recognition, a language model and speech synthesis on this machine."""


def main() -> None:
    """Run the ``mesh`` command."""
    group(prog_name="mesh")


if __name__ == "__main__":
    main()
