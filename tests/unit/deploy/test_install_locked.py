"""deploy/install_locked.sh with a real pip, on small packages made here."""

import hashlib
import os
import subprocess
import sys
import venv
import zipfile

import pytest

from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The Python of an environment that has pip and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    return folder / "bin" / "python"


def wheel(folder, name, requires="", content=""):
    """A package of one module, as a wheel."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    metadata += f"Requires-Dist: {requires}\n" if requires else ""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", content)
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def install(environment, tmp_path):
    """Install a lock of the given wheels from their folder; removed again afterwards."""
    named = []

    def run(*paths, options=(), digest=None, lock_name="some.lock"):
        lock = tmp_path / lock_name
        lines = []
        for path in paths:
            name = path.name.partition("-")[0]
            named.append(name)
            found = digest or hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{name}==1.0 --hash=sha256:{found}\n")
        lock.write_text("".join(lines))
        return subprocess.run(
            [
                *(REPOSITORY / "deploy" / "install_locked.sh", environment, lock),
                *(options or ("--no-index", "--find-links", tmp_path)),
            ],
            capture_output=True,
            text=True,
            check=False,
            env={k: v for k, v in os.environ.items() if not k.startswith("PIP_")},
        )

    yield run
    subprocess.run(
        [environment, "-m", "pip", "uninstall", "--quiet", "--yes", *named],
        check=True,
        capture_output=True,
    )


def test_what_is_listed_is_installed_and_nothing_is_looked_for(install, tmp_path, environment):
    # The extra would have pip resolve "one" anew, and find it unpinned.
    one, two = wheel(tmp_path, "one"), wheel(tmp_path, "two", requires="one[more]>=1")
    done = install(two, one)
    assert done.returncode == 0, done.stderr
    subprocess.run([environment, "-c", "import one, two"], check=True)


def test_what_does_not_fit_together_is_said(install, tmp_path):
    done = install(wheel(tmp_path, "one", requires="absent"))
    assert done.returncode == 1
    assert "one 1.0 requires absent, which is not installed" in done.stderr
    assert "do not fit together" in done.stderr


def test_what_an_interrupted_installation_left_is_made_whole(install, tmp_path):
    half = wheel(tmp_path, "one", requires="two")
    assert install(half).returncode == 1
    # The next attempt begins with the build backend, while the rest does not fit yet.
    done = install(wheel(tmp_path, "backend"), lock_name="build.lock")
    assert done.returncode == 0, done.stderr
    done = install(half, wheel(tmp_path, "two"))
    assert done.returncode == 0, done.stderr


def test_what_is_left_out_on_purpose_is_no_fault(install, tmp_path):
    done = install(wheel(tmp_path, "one", requires="pyopenjtalk"))
    assert done.returncode == 0, done.stderr


def test_a_package_that_vanished_is_named(install, tmp_path):
    gone = wheel(tmp_path, "gone")
    digest = hashlib.sha256(gone.read_bytes()).hexdigest()
    gone.unlink()
    done = install(gone, digest=digest)
    assert done.returncode == 1
    assert "gone==1.0, which" in done.stderr
    assert f"cannot be had for Python {sys.version_info[0]}.{sys.version_info[1]}" in done.stderr
    assert "--upgrade-package gone" in done.stderr


def test_a_package_that_was_replaced_is_named_and_not_installed(install, tmp_path, environment):
    done = install(wheel(tmp_path, "other", content="replaced = True"), digest="0" * 64)
    assert done.returncode == 1
    assert "serves another file for other==1.0" in done.stderr
    assert "Nothing of it was installed" in done.stderr
    imported = subprocess.run([environment, "-c", "import other"], capture_output=True, check=False)
    assert imported.returncode == 1


def test_an_index_that_is_away_is_said(install, tmp_path):
    options = ("--index-url", "http://127.0.0.1:9/", "--retries", "1", "--timeout", "1")
    done = install(wheel(tmp_path, "one"), options=options)
    assert done.returncode == 1
    assert "could not be reached" in done.stderr
    assert "same command again" in done.stderr
