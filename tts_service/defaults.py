"""The defaults that ``/api/config`` sets: in force at once, and again after a restart."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

log = logging.getLogger(__name__)


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
    """The current :class:`Defaults`, mirrored in a small JSON file.

    A file that cannot be read or written is reported in the log and not fatal: the service then
    runs with the configured defaults.

    Args:
        path: of the file; its folder is made when something is saved.
        initial: in force until something is saved.
    """

    def __init__(self, path: Path, initial: Defaults) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._current = self._read(initial)

    @property
    def current(self) -> Defaults:
        """The defaults in force."""
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
            except OSError as error:
                log.error("defaults not saved", extra={"error": type(error).__name__})

    def _read(self, initial: Defaults) -> Defaults:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            return Defaults(
                str(content["language"]),
                None if content["voice_sample"] is None else str(content["voice_sample"]),
            )
        except FileNotFoundError:
            return initial
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("saved defaults ignored", extra={"error": type(error).__name__})
            return initial
