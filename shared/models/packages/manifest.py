"""The record of a model that was prepared from packages: ``manifest.json`` in its folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from shared.models.catalogue import ModelSpec
from shared.models.records import changed, read_record, write_record

log = logging.getLogger(__name__)


def manifest_of(folder: Path) -> Path:
    """Where the record of a model's folder lies."""
    return folder / "manifest.json"


def unsound(spec: ModelSpec, folder: Path) -> list[str]:
    """Names of files that are missing or damaged; empty when the model can be used."""
    manifest = read_record(manifest_of(folder))
    source = manifest.get("source")
    if not isinstance(source, int) or source >= len(spec.sources):
        return [file.name for file in spec.sources[0]]
    wanted = {file.name: file.sha256 for file in spec.sources[source]}
    known = {
        name: facts
        for name, facts in manifest["files"].items()
        if isinstance(facts, dict) and facts.get("origin_sha256") == wanted.get(name, "")
    }
    other, noted = changed(folder, known, "sha256")
    bad = [name for name in wanted if name not in known or name in other]
    if noted and not bad:
        _remember(folder, manifest)
    return bad


def _remember(folder: Path, manifest: dict[str, Any]) -> None:
    """Keep the new times of files that were copied or touched, so that they are hashed once.

    It is only a saving: a read-only folder, or somebody at work there, is left alone.
    """
    try:
        with lock_of(folder).acquire(blocking=False):
            write_record(manifest_of(folder), manifest)
    except (OSError, Timeout):
        log.debug("file times of a model are not kept", extra={"model": folder.name})


def lock_of(folder: Path) -> FileLock:
    """The lock that whoever writes to a model's folder holds."""
    locks = folder.parent / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / f"{folder.name}.lock")
