"""What is known of a model's files on disk, and whether it still holds.

A record has the size, the time and the digest of each file. A file whose size and time are as
recorded is taken as sound (that costs nothing at every start); one whose are not is hashed again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SHA1_DIGITS = 40


def read_record(path: Path) -> dict[str, Any]:
    """The record in a file; empty where there is none that can be read."""
    try:
        record = json.loads(path.read_text("utf-8"))
        return record if isinstance(record.get("files"), dict) else {}
    except (OSError, ValueError, AttributeError):
        return {}


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Replace the record in one step; it is whole on disk before it has its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with scratch.open("wb") as out:
        out.write(json.dumps(record, indent=1).encode())
        out.flush()
        os.fsync(out.fileno())
    scratch.replace(path)


def facts_of(path: Path) -> dict[str, int]:
    """Size and time of a file, as its record has them."""
    stat = path.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def digest_of(path: Path, like: str) -> str:
    """Digest of a file, of the kind of ``like``: SHA-256, or git's SHA-1 of a blob."""
    if len(like) != _SHA1_DIGITS:
        return sha256_of(path)
    # A hub names small files by git's own digest; it guards against accidents here.
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def changed(
    folder: Path, files: Mapping[str, dict[str, Any]], digest: str
) -> tuple[set[str], bool]:
    """Find the files that are gone, or other ones than recorded.

    Args:
        folder: of the files.
        files: name → what is recorded of it. New times of files that are still the same are
            noted there.
        digest: the entry that has the digest.

    Returns:
        The names of those files, and whether a new time was noted.
    """
    bad, noted = set(), False
    for name, known in files.items():
        try:
            facts = facts_of(folder / name)
            if facts.items() <= known.items():
                continue
            same_size = facts["size"] == known["size"]
            if same_size and digest_of(folder / name, known[digest]) == known[digest]:
                known.update(facts)
                noted = True
                continue
        except (OSError, KeyError, TypeError):
            pass
        bad.add(name)
    return bad, noted
