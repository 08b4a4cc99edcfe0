"""Default voice and language, set through ``/api/config`` and stored in the home folder.

A change applies at once to all replicas that share the folder, and persists across restarts.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from shared.core.disk_full import is_full
from shared.core.errors import InsufficientStorage

log = logging.getLogger(__name__)

_Version: TypeAlias = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Defaults:
    """Voice and language of requests that name neither.

    Attributes:
        language: language tag as given in the request or the settings.
        voice_sample: file name in the voices folder, or None for the language's default voice.
    """

    language: str
    voice_sample: str | None = None


class DefaultsStore:
    """The current :class:`Defaults`, stored in a small file that other replicas may write too.

    Errors in reading the file are logged and not raised: the previous defaults, at first the
    configured ones, stay in use.

    Args:
        path: path of the file; its folder is created on saving.
        initial: defaults until something is saved.
    """

    def __init__(self, path: Path, initial: Defaults) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: _Version = None
        self._current = initial
        self._catch_up()

    @property
    def current(self) -> Defaults:
        """The current defaults."""
        if self._version() != self._seen:
            with self._lock:
                self._catch_up()
        return self._current

    def save(self, defaults: Defaults) -> None:
        """Write ``defaults`` to disk atomically and apply them.

        In a folder that is not writable they apply to this process alone, which is logged.

        Raises:
            InsufficientStorage: the disk is full; the defaults in force stay unchanged.
        """
        with self._lock:
            try:
                self._write(defaults)
                self._seen = self._version()
            except OSError as error:
                log.error("defaults not saved", extra={"error": type(error).__name__})
                if is_full(error):
                    raise InsufficientStorage(
                        "the defaults cannot be saved, because the disk is full; they are unchanged"
                    ) from error
            self._current = defaults

    def _write(self, defaults: Defaults) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=".defaults-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(asdict(defaults), file)
                file.flush()
                # Some file systems report a full disk only here.
                os.fsync(file.fileno())
            Path(temporary).replace(self._path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _version(self) -> _Version:
        """Return inode and modification time, which detect a replaced file; None without a file."""
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
