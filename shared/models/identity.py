"""Which weights a model was loaded from, for the keys of what is made with them."""

from __future__ import annotations

from pathlib import Path


def identity_of(*paths: Path) -> dict[str, str]:
    """What tells each file's content from another's without reading it, by the file's name.

    A file of the hub's cache is named by its digest; of any other, size and time have to do.

    Raises:
        OSError: one cannot be read.
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
