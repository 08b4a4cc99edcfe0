"""Reference recordings in the voices folders, looked up by the name in a request."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from shared.core.errors import InvalidRequest, TooLarge, UnknownVoice
from tts_service.engines.base import Reference

log = logging.getLogger(__name__)

EXTENSIONS = frozenset({
    ".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".mp4", ".webm", ".mkv",
    ".aiff", ".aif", ".wma", ".mov", ".amr", ".au",
})  # fmt: skip
"""File name extensions that are listed, and tried for a name without one; FFmpeg reads them all."""

_MAX_TRANSCRIPT_CHARS = 2000


class VoicesFolder:
    """The reference recordings of one or more folders, which are read again on each call.

    Args:
        folders: folders in search order; one that does not exist counts as empty.
        max_bytes: largest recording accepted.
    """

    def __init__(self, folders: Sequence[Path], max_bytes: int) -> None:
        self._folders = tuple(folders)
        self._max_bytes = max_bytes

    def names(self) -> list[str]:
        """Return the file names of all recordings, sorted and without duplicates."""
        found = {
            path.name
            for folder in self._folders
            if folder.is_dir()
            for path in folder.iterdir()
            if path.suffix.lower() in EXTENSIONS and path.is_file() and path.name[0] != "."
        }
        return sorted(found)

    def find(self, name: str) -> Path | None:
        """Find the file ``name``, with or without its extension; None where there is none.

        Only bare file names are accepted, and a link is followed only inside its folder, so that a
        request cannot read other files.

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
                    # The name is too long for the file system, so there is no such file.
                    continue
                if found and resolved.is_relative_to(folder.resolve()):
                    return resolved
        return None

    def read(self, name: str) -> Reference:
        """Read the recording ``name`` and, where it exists, its transcript ``<stem>.txt``.

        Raises:
            InvalidRequest: ``name`` is not a bare file name.
            UnknownVoice: there is no such file; ``details["available"]`` lists the existing ones.
            TooLarge: the file exceeds the limit.
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
    """Return the text at ``path``, at most 2000 characters; empty where there is none."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            return " ".join(file.read(_MAX_TRANSCRIPT_CHARS).split())
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        log.warning("transcript ignored", extra={"error": type(error).__name__})
        return ""


def _candidates(folder: Path, name: str) -> list[Path]:
    """Return the entries of ``folder`` that may match: the name itself, then its stem.

    ``my_voice.wav`` also finds ``my_voice.mp3``, since clients use the name of the file that they
    recorded, even if it was converted.
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
