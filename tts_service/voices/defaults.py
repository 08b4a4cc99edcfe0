"""The defaults that ``/api/config`` sets: in force at once, in every replica that shares the home
folder, and again after a restart."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

log = logging.getLogger(__name__)

_Version: TypeAlias = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a request that names neither language nor voice gets.

    Attributes:
        language: as the person wrote it.
        voice_sample: file name in the voices folder, or None for the language's own voice.
    """

    language: str
    voice_sample: str | None = None


class DefaultsStore:
    """The current :class:`Defaults`, mirrored in a small file, which another replica may write.

    A file that cannot be read or written is reported in the log and not fatal: the service then
    runs with the defaults it had, at first the configured ones.

    Args:
        path: of the file; its folder is made when something is saved.
        initial: in force until something is saved.
    """

    def __init__(self, path: Path, initial: Defaults) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: _Version = None
        self._current = initial
        self._catch_up()

    @property
    def current(self) -> Defaults:
        """The defaults in force."""
        if self._version() != self._seen:
            with self._lock:
                self._catch_up()
        return self._current

    def save(self, defaults: Defaults) -> None:
        """Put ``defaults`` in force and on disk (atomically)."""
        with self._lock:
            self._current = defaults
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                handle, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=".defaults-")
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(asdict(defaults), file)
                Path(temporary).replace(self._path)
                self._seen = self._version()
            except OSError as error:
                log.error("defaults not saved", extra={"error": type(error).__name__})

    def _version(self) -> _Version:
        """What tells a file that was replaced from the one that was read; None without one."""
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns

    def _catch_up(self) -> None:
        self._seen = self._version()
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            self._current = Defaults(
                str(content["language"]),
                None if content["voice_sample"] is None else str(content["voice_sample"]),
            )
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("saved defaults ignored", extra={"error": type(error).__name__})
