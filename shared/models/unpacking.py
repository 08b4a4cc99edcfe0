"""Unpack model archives temporarily.

The files are unpacked on the volume of the models, because ``/tmp`` of a container is small and in
memory, while NeMo archives contain gigabytes.
"""

from __future__ import annotations

import errno
import gzip
import logging
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout

from shared.core.disk_full import is_full
from shared.core.errors import ModelDamaged, NotReady
from shared.models.lock import one_at_a_time

log = logging.getLogger(__name__)

FOLDER = ".unpacked"
_SPARE = 50 << 20


@contextmanager
def unpacked(archive: Path, home: Path) -> Iterator[Path]:
    """Unpack a tar archive to a folder that is removed at the end of the block.

    Archives of the same name are unpacked one after the other, in all containers that share the
    volume. Folders left by a killed process are removed by the next one.

    Args:
        archive: tar archive, plain or compressed.
        home: the mesh's home folder.

    Raises:
        NotReady: the disk is full or the folder is not writable; the message names the folder.
        ModelDamaged: the archive cannot be read, or contains paths outside the folder.
    """
    scratch = home / "models" / FOLDER
    folder = scratch / archive.stem
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        _lock_file(folder).touch()
        _remove_left_behind(scratch)
    except OSError as error:
        raise _not_writable(archive, scratch, 0, error) from error
    with one_at_a_time(FileLock(_lock_file(folder)), archive.stem, 0, _tell):
        try:
            _unpack(archive, folder)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _unpack(archive: Path, folder: Path) -> None:
    needed = 0
    try:
        with tarfile.open(archive) as tar:
            members = [member for member in tar.getmembers() if member.isfile()]
            needed = sum(member.size for member in members)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            if shutil.disk_usage(folder).free < needed + _SPARE:
                raise OSError(errno.ENOSPC, "No space left on device")
            for member in members:
                _write(tar, member, folder)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ModelDamaged(f"the archive of '{archive.stem}' cannot be read") from error
    except OSError as error:
        raise _not_writable(archive, folder.parent, needed, error) from error


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise ModelDamaged("the archive names files outside of it")
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(member)
    if source is None:
        raise ModelDamaged("the archive holds something that is no file")
    with source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)


def _lock_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _tell(model: str, what: str, done: int, total: int) -> None:
    log.info(what, extra={"model": model})


def _remove_left_behind(scratch: Path) -> None:
    for folder in [path for path in scratch.iterdir() if path.is_dir()]:
        try:
            with FileLock(_lock_file(folder)).acquire(blocking=False):
                log.info("removing what was left unpacked", extra={"model": folder.name})
                shutil.rmtree(folder, ignore_errors=True)
        except Timeout:
            # Another process is reading it.
            continue


def _not_writable(archive: Path, folder: Path, needed: int, error: OSError) -> NotReady:
    if is_full(error):
        room = f"{(needed + _SPARE) >> 20} MiB of free disk" if needed else "free disk"
        return NotReady(
            f"'{archive.stem}' needs {room} in {folder} to be unpacked while it loads",
            code="disk_full",
        )
    reason = error.strerror or type(error).__name__
    return NotReady(
        f"'{archive.stem}' cannot be unpacked in {folder}: {reason}",
        code="model_not_writable",
    )
