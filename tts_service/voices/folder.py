"""Reference recordings in folders, found by a name that comes from a request."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from shared.core.errors import InvalidRequest, TooLarge, UnknownVoice
from tts_service.engines.base import Reference

log = logging.getLogger(__name__)

EXTENSIONS = frozenset(
    [
        ".wav",
        ".mp3",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".m4a",
        ".aac",
        ".mp4",
        ".webm",
        ".mkv",
        ".aiff",
        ".aif",
        ".wma",
        ".mov",
        ".amr",
        ".au",
    ]
)
"""Names offered in lists and tried for a name without extension; all of these FFmpeg reads."""

_MAX_TRANSCRIPT_CHARS = 2000


class VoicesFolder:
    """The reference recordings of one or more folders; read anew each time, so files may come.

    Args:
        folders: searched in order; one that does not exist is empty.
        max_bytes: largest recording read.
    """

    def __init__(self, folders: Sequence[Path], max_bytes: int) -> None:
        self._folders = tuple(folders)
        self._max_bytes = max_bytes

    def names(self) -> list[str]:
        """File names of the recordings there are, sorted, each once."""
        found = {
            path.name
            for folder in self._folders
            if folder.is_dir()
            for path in folder.iterdir()
            if path.suffix.lower() in EXTENSIONS and path.is_file() and path.name[0] != "."
        }
        return sorted(found)

    def find(self, name: str) -> Path | None:
        """The file called ``name``, with or without its extension; None where there is none.

        Only a bare file name is looked up, and a link is followed only if it stays inside its
        folder: a request never reaches another file.

        Raises:
            InvalidRequest: ``name`` is not a bare file name.
        """
        if not name.strip() or "\0" in name or name in (".", "..") or set(name) & set("/\\"):
            raise InvalidRequest(
                "a voice sample is named by its bare file name in the voices folder",
                param="voice_sample",
            )
        for folder in self._folders:
            for entry in _candidates(folder, name):
                try:
                    resolved = entry.resolve()
                    found = resolved.is_file()
                except OSError:
                    # A name too long for the file system is none of its files'.
                    continue
                if found and resolved.is_relative_to(folder.resolve()):
                    return resolved
        return None

    def read(self, name: str) -> Reference:
        """The recording called ``name``, with what is said in it where ``<stem>.txt`` lies
        beside it.

        Raises:
            InvalidRequest: not a bare file name.
            UnknownVoice: no such file; ``details["available"]`` lists those there are.
            TooLarge: above the limit.
        """
        path = self.find(name)
        if path is None:
            raise UnknownVoice(
                "no such recording in the voices folder",
                param="voice_sample",
                details={"available": self.names()},
            )
        if path.stat().st_size > self._max_bytes:
            raise TooLarge(
                f"the recording is larger than {self._max_bytes} bytes", param="voice_sample"
            )
        return Reference(path.read_bytes(), path.stem, _transcript(path.with_suffix(".txt")))


def _transcript(path: Path) -> str:
    """The text at ``path``, at most 2000 characters; empty where there is none."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            return " ".join(file.read(_MAX_TRANSCRIPT_CHARS).split())
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        log.warning("transcript ignored", extra={"error": type(error).__name__})
        return ""


def _candidates(folder: Path, name: str) -> list[Path]:
    """Entries of ``folder`` that ``name`` may mean: itself, then its stem with an extension.

    ``my_voice.wav`` finds ``my_voice.mp3`` too: clients name the file they recorded, not the one
    that was converted.
    """
    if not folder.is_dir():
        return []
    given = Path(name)
    stem = given.stem if given.suffix.lower() in EXTENSIONS else name
    others = sorted(
        path
        for path in folder.iterdir()
        if path.stem == stem and path.suffix.lower() in EXTENSIONS and path.name != name
    )
    exact = [folder / name] if given.suffix.lower() in EXTENSIONS else []
    return exact + others
