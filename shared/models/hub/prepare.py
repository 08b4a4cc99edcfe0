"""Prepares models of a model hub on disk, in the layout of the hub's own client.

``<cache>/models--organisation--name/`` holds ``blobs``, ``snapshots/<commit>`` and ``refs``, so
that every library which knows that layout finds the files; ``<cache>`` is ``HF_HUB_CACHE``, else
``HF_HOME/hub``, else ``<home>/models/hub/hub``. A record beside it says what was verified:
``<cache>/.voicemesh/organisation--name.json``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock

from shared.core.errors import InvalidRequest, NotReady
from shared.models.catalogue import Progress, silent
from shared.models.hub.catalogue import HubModel, hub_model
from shared.models.hub.fetch import HubFile, fetch
from shared.models.lock import one_at_a_time
from shared.models.records import changed, facts_of, read_record, write_record

log = logging.getLogger(__name__)

_REVISION = "main"


def cache_folder(home: Path) -> Path:
    """Where models of the hub lie: the client's own variables decide, else the mesh's home."""
    if folder := os.environ.get("HF_HUB_CACHE"):
        return Path(folder).expanduser()
    if folder := os.environ.get("HF_HOME"):
        return Path(folder).expanduser() / "hub"
    return home / "models" / "hub" / "hub"


def locate(repo_id: str, filename: str, settings_home: Path) -> Path:
    """A file of a prepared model; touches no network.

    Files that somebody else put there in the client's layout are taken as they are; one that was
    fetched here and has changed since is hashed again.

    Args:
        repo_id: ``organisation/name``.
        filename: within the repository, as ``x.nemo`` or ``folder/file.json``.
        settings_home: the mesh's home folder.

    Raises:
        NotReady: it is not there, or damaged; the message has the command that fetches it.
        UnknownModel, InvalidRequest: not a name of a repository, or of a file in one.
    """
    model = hub_model(repo_id)
    parts = PurePosixPath(filename)
    if parts.is_absolute() or ".." in parts.parts or not filename:
        raise InvalidRequest("a file of a model is named by its path inside the repository")
    repository = _Repository(model, cache_folder(settings_home))
    snapshot = repository.snapshot()
    if snapshot is None or not (snapshot / parts).is_file():
        raise _not_prepared(model, f"{filename} is missing")
    if filename in repository.damaged():
        raise _not_prepared(model, f"{filename} is damaged")
    return snapshot / parts


def locate_folder(repo_id: str, settings_home: Path) -> Path:
    """The folder with all files that are needed of a prepared model; touches no network.

    Raises:
        NotReady: not all are there, or one is damaged; the message has the command.
        UnknownModel: not a name of a repository.
    """
    model = hub_model(repo_id)
    repository = _Repository(model, cache_folder(settings_home))
    if lacking := repository.lacking():
        raise _not_prepared(model, lacking)
    return _folder(repository)


def ensure(
    repo_id: str,
    settings_home: Path,
    progress: Progress = silent,
    *,
    offline: bool = False,
    consents: Collection[str] = (),
) -> Path:
    """The folder of a model, fetched now where it is not there yet or damaged.

    An interrupted download goes on where it stopped, also in another process; what came is compared
    with the digest that the hub names; containers on one volume wait for each other.

    Args:
        repo_id: ``organisation/name``.
        settings_home: the mesh's home folder.
        progress: told what happens.
        offline: fail instead of using the network.
        consents: variables with which the person has accepted a licence (``COQUI_TOS_AGREED``).

    Raises:
        NotReady: it cannot be had: licence not accepted, gated, no such repository, hub not
            reachable, offline, no disk space, client not installed. The message says which.
        ModelDamaged: other bytes came than the hub announced.
        UnknownModel: not a name of a repository.
    """
    model = hub_model(repo_id)
    require_consent(model, consents)
    cache = cache_folder(settings_home)
    repository = _Repository(model, cache)
    if (lacking := repository.lacking()) is None:
        return _folder(repository)
    if offline or os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise NotReady(
            f"model '{repo_id}' is not prepared ({lacking}) and MESH_OFFLINE is set; "
            f"run with network: {model.command}",
            code="offline",
        )
    try:
        with one_at_a_time(repository.lock(), repo_id, 0, progress):
            # Another container may have fetched it while this one waited.
            if repository.lacking() is not None:
                progress(repo_id, "asking the hub", 0, 0)
                repository.adopt(*fetch(model, repository.folder, progress))
    except OSError as error:
        raise NotReady(
            f"model '{repo_id}' cannot be written to {cache}: {error.strerror or error}",
            code="model_not_writable",
        ) from error
    folder = _folder(repository)
    size = repository.size()
    progress(repo_id, "ready", size, size)
    return folder


def require_consent(model: HubModel, consents: Collection[str]) -> None:
    """Refuse a model whose licence asks for a person's own consent that was not given.

    Raises:
        NotReady: it was not; the message says how.
    """
    if model.consent and model.consent not in consents:
        raise NotReady(
            f"model '{model.repo_id}' is under the {model.licence}, which allows no commercial "
            f"use; if you accept it, run: {model.command}",
            code="licence_not_accepted",
        )


def _not_prepared(model: HubModel, why: str) -> NotReady:
    return NotReady(
        f"model '{model.repo_id}' is not prepared ({why}); run: {model.command}",
        code="model_missing",
    )


def _folder(repository: _Repository) -> Path:
    snapshot = repository.snapshot()
    if snapshot is None:
        raise _not_prepared(repository.model, "it is gone")
    return snapshot


class _Repository:
    """One repository in a cache folder, and the record of what was verified of it."""

    def __init__(self, model: HubModel, cache: Path) -> None:
        self.model = model
        name = model.repo_id.replace("/", "--")
        self.folder = cache / f"models--{name}"
        self._notes = cache / ".voicemesh"
        self._record = self._notes / f"{name}.json"

    def lock(self) -> FileLock:
        """Held by whoever fetches."""
        self._notes.mkdir(parents=True, exist_ok=True)
        return FileLock(self._record.with_suffix(".lock"))

    def snapshot(self) -> Path | None:
        """The folder of the revision in use; None where there is none."""
        try:
            commit = (self.folder / "refs" / _REVISION).read_text("ascii").strip()
        except (OSError, ValueError):
            return None
        folder = self.folder / "snapshots" / commit
        return folder if commit and folder.is_dir() else None

    def lacking(self) -> str | None:
        """What is missing or damaged, in words; None when the model can be used."""
        snapshot = self.snapshot()
        if snapshot is None:
            return "nothing of it is there"
        names = [p.relative_to(snapshot).as_posix() for p in snapshot.rglob("*") if p.is_file()]
        missing = [p for p in self.model.files if not any(fnmatch(n, p) for n in names)]
        if missing:
            return f"{', '.join(missing)} is missing"
        if bad := self.damaged():
            return f"{', '.join(bad[:3])} is damaged"
        return None

    def damaged(self) -> list[str]:
        """Files that were verified once and are gone or other ones now."""
        record, snapshot = read_record(self._record), self.snapshot()
        if snapshot is None or record.get("commit") != snapshot.name:
            return []
        bad, noted = changed(snapshot, record["files"], "digest")
        if noted and not bad:
            self._remember(record)
        return sorted(bad)

    def size(self) -> int:
        """Bytes of the files that were verified."""
        return sum(
            int(known["size"]) for known in read_record(self._record).get("files", {}).values()
        )

    def adopt(self, commit: str, fetched: list[HubFile]) -> None:
        """Make verified blobs a snapshot, all at once as far as readers can tell: the reference is
        written last."""
        snapshot = self.folder / "snapshots" / commit
        files = {}
        for file in fetched:
            blob = self.folder / "blobs" / file.digest
            link = snapshot / file.name
            link.parent.mkdir(parents=True, exist_ok=True)
            scratch = link.with_name(f".{link.name}.{os.getpid()}.tmp")
            scratch.unlink(missing_ok=True)
            scratch.symlink_to(os.path.relpath(blob, link.parent))
            scratch.replace(link)
            files[file.name] = {**facts_of(blob), "digest": file.digest}
        write_record(self._record, {"commit": commit, "files": files})
        reference = self.folder / "refs" / _REVISION
        reference.parent.mkdir(parents=True, exist_ok=True)
        scratch = reference.with_name(f".{_REVISION}.{os.getpid()}.tmp")
        scratch.write_text(commit, "ascii")
        scratch.replace(reference)

    def _remember(self, record: dict[str, Any]) -> None:
        """Keep the new times of files that were copied.

        It is only a saving: a folder that cannot be written is left alone.
        """
        try:
            write_record(self._record, record)
        except OSError:
            log.debug("file times of a model are not kept", extra={"model": self.model.repo_id})
