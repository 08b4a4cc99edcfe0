"""What the command line shows with rich: tables, and the preparation of models."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

_PIPE_WIDTH = 160


def wide_console() -> Console:
    """A console for tables; into a pipe or a file they are not cut to 80 columns."""
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
        self._last: dict[str, str] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def __call__(self, model: str, what: str, done: int, total: int) -> None:
        """Show that ``model`` is at ``what``, with ``done`` of ``total`` bytes."""
        with self._lock:
            if not self._console.is_terminal:
                if self._last.get(model) != what:
                    self._last[model] = what
                    self._console.print(f"{model}: {what}", highlight=False, soft_wrap=True)
                return
            if model not in self._tasks:
                self._tasks[model] = self._bars.add_task(what, total=total, model=model)
            self._bars.update(
                self._tasks[model], description=what, completed=min(done, total), total=total
            )
