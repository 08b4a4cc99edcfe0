"""Terminal output with rich: tables and the progress of model preparation."""

from __future__ import annotations

import threading
import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

_PIPE_WIDTH = 160
_LINE_EVERY_S = 15.0
"""Interval between two lines about one model if no progress bar can be drawn, seconds."""


def wide_console() -> Console:
    """Return a console for tables that does not cut them to 80 columns in a pipe or file."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


class ModelProgress:
    """A progress callback for :func:`shared.models.prepare_all`, used in a ``with`` statement."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.fields[model]:<14}"),
            BarColumn(28),
            DownloadColumn(),
            TextColumn("{task.description}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._last: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, model: str, what: str, done: int, total: int) -> None:
        """Show the current step of ``model``, with ``done`` of ``total`` bytes."""
        with self._lock:
            if not self._console.is_terminal:
                self._tell_in_lines(model, what, done, total)
                return
            if model not in self._tasks:
                self._tasks[model] = self._bars.add_task(what, total=total, model=model)
            self._bars.update(
                self._tasks[model], description=what, completed=min(done, total), total=total
            )

    def _tell_in_lines(self, model: str, what: str, done: int, total: int) -> None:
        before, when = self._last.get(model, ("", 0.0))
        now = time.monotonic()
        if what == before and (not total or now - when < _LINE_EVERY_S):
            return
        self._last[model] = (what, now)
        amount = ""
        if what == before:
            amount = f", {100 * min(done, total) // total} % of {total / 1e6:.0f} MB"
        self._console.print(f"{model}: {what}{amount}", highlight=False, soft_wrap=True)
