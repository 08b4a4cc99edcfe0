"""Brings files of a model hub through the hub's own client, which knows addresses and accounts.

The bytes come through its file system, ``HfFileSystem``, which reads from any place in a file:
``hf_hub_download`` and ``snapshot_download`` begin a file anew when the process that fetched it
was killed (docs/decisions/0013-models-of-a-hub.md).
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from shared.core.errors import MeshError, ModelDamaged, NotReady
from shared.models.catalogue import Progress
from shared.models.hub.catalogue import HubModel
from shared.models.records import digest_of

BLOCK = 8 << 20
"""Bytes of one request, kept in memory until they are written; the client repeats a broken one."""
_ASK_S = 20.0
_SPARE = 50 << 20
_COME_AGAIN = (408, 425, 429)
"""Statuses of a client's error that are over some time."""
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file as the hub describes it.

    Attributes:
        name: within the repository.
        size: bytes.
        digest: SHA-256 of large files, git's SHA-1 of small ones; the name of the blob.
    """

    name: str
    size: int
    digest: str


def fetch(model: HubModel, folder: Path, progress: Progress) -> tuple[str, list[HubFile]]:
    """Fetch and verify what is needed of ``model`` into ``folder/blobs``.

    Returns:
        The newest commit, 40 hexadecimal digits, and its files; each blob is named by its digest.

    Raises:
        NotReady: it cannot be had, or there is no room for it.
        ModelDamaged: other bytes came than announced; they are thrown away.
        OSError: the folder cannot be written.
    """
    commit, offered = _listing(model.repo_id)
    wanted = _needed(model, offered)
    blobs = folder / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    total = sum(file.size for file in wanted)
    _require_space(model, blobs, wanted)
    done = 0
    for file in wanted:
        blob = blobs / file.digest
        before = done

        def told(length: int, name: str = file.name, before: int = before) -> None:
            progress(model.repo_id, f"fetching {name}", before + length, total)

        told(0)
        if not _is_sound(blob, file):
            partial = blobs / f"{file.digest}.partial"
            _download(model.repo_id, commit, file, partial, told)
            progress(model.repo_id, f"verifying {file.name}", before + file.size, total)
            if not _is_sound(partial, file):
                partial.unlink(missing_ok=True)
                raise ModelDamaged(
                    f"{file.name} of '{model.repo_id}' has another checksum than the hub announces"
                )
            partial.replace(blob)
        done += file.size
    return commit, wanted


def _is_sound(path: Path, file: HubFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    return digest_of(path, file.digest) == file.digest


def _needed(model: HubModel, offered: list[HubFile]) -> list[HubFile]:
    for pattern in model.files:
        if not any(fnmatch(file.name, pattern) for file in offered):
            raise NotReady(
                f"repository '{model.repo_id}' has no file {pattern}", code="model_missing"
            )
    patterns = model.files + model.optional
    return [file for file in offered if any(fnmatch(file.name, p) for p in patterns)]


def _require_space(model: HubModel, blobs: Path, wanted: list[HubFile]) -> None:
    lacking = sum(file.size for file in wanted if not (blobs / file.digest).exists())
    here = sum(path.stat().st_size for path in blobs.glob("*.partial"))
    if shutil.disk_usage(blobs).free < lacking - here + _SPARE:
        raise NotReady(
            f"model '{model.repo_id}' needs {(lacking + _SPARE) >> 20} MiB of free disk",
            code="disk_full",
        )


def _listing(repo_id: str) -> tuple[str, list[HubFile]]:
    """The newest commit and its files."""
    with _understood(repo_id):
        from huggingface_hub import HfApi  # noqa: PLC0415 - an optional package

        info = HfApi().model_info(repo_id, files_metadata=True, timeout=_ASK_S)
    files = []
    for entry in info.siblings or ():
        digest = entry.lfs["sha256"] if entry.lfs else entry.blob_id
        if entry.size is not None and digest:
            files.append(HubFile(entry.rfilename, int(entry.size), str(digest)))
    return str(info.sha), files


def _download(
    repo_id: str, commit: str, file: HubFile, target: Path, told: Callable[[int], None]
) -> None:
    """Append what ``target`` lacks of ``file``, telling its length so far."""
    if target.exists() and target.stat().st_size > file.size:
        target.unlink()
    with _understood(repo_id), target.open("ab") as sink:
        from huggingface_hub import HfFileSystem  # noqa: PLC0415 - an optional package

        if sink.tell() == file.size:
            return
        path = f"{repo_id}@{commit}/{file.name}"
        # Each block is used once, so that none need be kept.
        with HfFileSystem().open(path, "rb", block_size=BLOCK, cache_type="none") as source:
            source.seek(sink.tell())
            while block := source.read(BLOCK):
                sink.write(block)
                told(sink.tell())


@contextmanager
def _understood(repo_id: str) -> Iterator[None]:
    """The client's errors in words that say what to do.

    Its transport has been another library in each of its major versions, so that what is not one
    of its own errors goes by "could not be reached", with its kind.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise NotReady(
            f"models of the hub need {error.name}: pip install -e '.[hub]'",
            code="hub_not_installed",
        ) from error
    except MeshError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            raise
        raise _explained(repo_id, error) from error


def _explained(repo_id: str, error: Exception) -> NotReady:
    from huggingface_hub import errors  # noqa: PLC0415 - an optional package

    if isinstance(error, errors.GatedRepoError):
        return NotReady(
            f"model '{repo_id}' is gated: accept its terms on its page, then set HF_TOKEN "
            "to a token of that account",
            code="model_gated",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return NotReady(
            f"model '{repo_id}' does not exist, or is private and HF_TOKEN is not that of a member",
            code="model_not_found",
        )
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        if status < 500 and status not in _COME_AGAIN:
            return NotReady(
                f"model '{repo_id}': the hub refuses it with {status}; is HF_TOKEN right?",
                code="hub_refused",
            )
        return NotReady(
            f"model '{repo_id}': the hub answers {status}; what has come is kept, try again later",
            code="hub_failed",
        )
    return NotReady(
        f"model '{repo_id}': the hub could not be reached ({type(error).__name__}); what has come "
        "is kept. Without a network, copy models/hub of VOICEMESH_HOME from a machine "
        "that has the model",
        code="hub_unreachable",
    )
