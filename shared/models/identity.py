"""Identify the weights that a model was loaded from, for cache keys."""

from __future__ import annotations

from pathlib import Path


def identity_of(*paths: Path) -> dict[str, str]:
    """Return an identifier of each file's content by file name, without reading the files.

    A file of the hub's cache is named by its digest. Other files are identified by size and
    modification time.

    Raises:
        OSError: a file cannot be accessed.
    """
    found = {}
    for path in paths:
        real = path.resolve()
        if real.parent.name == "blobs":
            found[path.name] = real.name
        else:
            stat = real.stat()
            found[path.name] = f"{stat.st_size}-{stat.st_mtime_ns}"
    return found
