"""What is known about a prepared model's files, and whether it still holds.

``manifest.json`` in the model's folder records size, time and digest of each file. A file whose
size and time are as recorded is taken as sound (that costs nothing at every start); one whose are
not is hashed again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from shared.models.catalogue import ModelSpec

log = logging.getLogger(__name__)

_MANIFEST = "manifest.json"


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest; empty where there is none that can be read."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text("utf-8"))
        return manifest if isinstance(manifest, dict) else {}
    except (OSError, ValueError):
        return {}


def unsound(spec: ModelSpec, folder: Path) -> list[str]:
    """Names of files that are missing or damaged; empty when the model can be used."""
    manifest = read_manifest(folder)
    files = manifest.get("files")
    source = manifest.get("source")
    if not isinstance(files, dict) or not isinstance(source, int) or source >= len(spec.sources):
        return [file.name for file in spec.sources[0]]
    bad, rehashed = [], False
    for file in spec.sources[source]:
        known = files.get(file.name)
        path = folder / file.name
        if not isinstance(known, dict) or known.get("origin_sha256") != file.sha256:
            bad.append(file.name)
            continue
        try:
            stat = path.stat()
            if (stat.st_size, stat.st_mtime_ns) == (known.get("size"), known.get("mtime_ns")):
                continue
            if sha256_of(path) != known.get("sha256"):
                bad.append(file.name)
                continue
        except OSError:
            bad.append(file.name)
            continue
        known["size"], known["mtime_ns"] = stat.st_size, stat.st_mtime_ns
        rehashed = True
    if rehashed and not bad:
        _remember(folder, manifest)
    return bad


def _remember(folder: Path, manifest: dict[str, Any]) -> None:
    """Keep the new times of files that were copied or touched, so that they are hashed once.

    It is only a saving: a read-only folder, or somebody at work there, is left alone.
    """
    try:
        with lock_of(folder).acquire(blocking=False):
            write_manifest(folder, manifest)
    except (OSError, Timeout):
        log.debug("file times of a model are not kept", extra={"model": folder.name})


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def lock_of(folder: Path) -> FileLock:
    """The lock that whoever writes to a model's folder holds."""
    locks = folder.parent / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / f"{folder.name}.lock")


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Replace the manifest in one step; it is whole on disk before it has its name."""
    scratch = folder / f".{_MANIFEST}.{os.getpid()}.tmp"
    with scratch.open("wb") as out:
        out.write(json.dumps(manifest, indent=1).encode())
        out.flush()
        os.fsync(out.fileno())
    scratch.replace(folder / _MANIFEST)
