"""The installer's messages on machines that lack something; nothing is installed here."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOLS = (
    "sha256sum",
    "bash",
    "cat",
    "touch",
    "cut",
    "dirname",
    "env",
    "flock",
    "grep",
    "mkdir",
    "rm",
)


@pytest.fixture
def machine(tmp_path):
    """A machine whose PATH has the usual tools; ``python`` adds a stand-in for an interpreter."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        if found := shutil.which(tool):
            (folder / tool).symlink_to(found)

    def run(kind="embedded", python=None, **environment):
        if python is not None:
            script = folder / "python3"
            script.write_text(f"#!/bin/bash\n{python}\n")
            script.chmod(0o755)
        return subprocess.run(
            [str(ROOT / "scripts" / "setup_env.sh"), kind],
            env={"PATH": str(folder), "VENV": str(tmp_path / "venv"), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_no_python_is_said(machine):
    done = machine()
    assert done.returncode == 1
    assert "No Python 3.11, 3.12, 3.13 or 3.14 was found" in done.stderr


def test_an_old_python_does_not_count(machine):
    assert "was found" in machine(python="exit 1").stderr
    assert "was found" in machine(python="echo 3.10").stderr


def test_a_python_that_is_asked_for_and_unfit_is_named(machine, tmp_path):
    done = machine(python="echo 3.15", PYTHON=str(tmp_path / "bin" / "python3"))
    assert done.returncode == 1
    assert "is no Python 3.11 to 3.14 (3.15)" in done.stderr


@pytest.mark.parametrize("system", ["Darwin - arm64", "Linux - x86_64", "Linux glibc riscv64"])
def test_a_system_without_wheels_is_named(machine, system):
    done = machine(python=f'case "$*" in *platform*) echo {system};; *) echo 3.12;; esac')
    assert done.returncode == 1
    assert f"this is {system}" in done.stderr


def answering(*cases):
    """A stand-in for an interpreter: 3.12 on a usual Linux, and what ``cases`` say before."""
    usual = ("*platform*) echo Linux glibc x86_64;;", "*version_info*) echo 3.12;;")
    return 'case "$*" in ' + " ".join((*cases, *usual)) + " esac"


def test_an_environment_without_pip_is_made_anew(machine, tmp_path):
    # What an interrupted `python -m venv` leaves.
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/bash\n" + answering('*"-m pip"*) exit 1;;') + "\n")
    python.chmod(0o755)
    done = machine(python=answering('"-m venv"*) echo made anew >&2; exit 3;;'))
    assert "made anew" in done.stderr


def test_a_python_without_venv_names_the_package(machine):
    done = machine(python=answering("*ensurepip*) exit 1;;"))
    assert done.returncode == 1
    assert "apt install python3.12-venv" in done.stderr


def test_what_is_installed_is_not_installed_again(machine, tmp_path):
    names = ("requirements/build.lock", "requirements/embedded.lock", "pyproject.toml")
    digest = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in names)).hexdigest()
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    python = tmp_path / "venv" / "bin" / "python"
    python.write_text("#!/bin/bash\n" + answering() + "\n")
    python.chmod(0o755)
    (tmp_path / "venv" / ".installed-embedded").write_text(digest)
    assert machine().returncode == 0
    (tmp_path / "venv" / ".installed-embedded").write_text("older")
    assert "Installing" in machine().stderr


@pytest.mark.parametrize("name", ["build", "embedded", "dev"])
def test_locks_pin_everything_and_name_no_host(name):
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    assert "://" not in text
    pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert pins
    for line in pins:
        assert "==" in line
        assert line.endswith("\\"), f"no hash: {line}"
    assert "torch" not in {line.partition("==")[0] for line in pins}


def pinned(name):
    """Lines ``package==version``, with their markers, of a lock."""
    lines = (ROOT / "requirements" / f"{name}.lock").read_text().splitlines()
    return {line.split(" \\")[0] for line in lines if line and line[0].isalnum()}


def test_the_development_lock_has_the_same_versions():
    assert pinned("embedded") <= pinned("dev")


@pytest.mark.parametrize("image", ["gateway", "tts", "stt", "agent", "cli"])
def test_images_install_the_versions_that_were_tested(image):
    def versions(name):
        return {pin.partition(" ")[0] for pin in pinned(name)}

    assert versions(image) <= versions("dev")


@pytest.mark.parametrize("image", ["tts", "tts-nemo", "tts-xtts"])
def test_images_that_speak_hold_every_cache(image):
    # Nobody can install a package into a container, where CACHE_URL may name any of them.
    held = {pin.partition("==")[0] for pin in pinned(image)}
    assert {"diskcache", "redis", "fsspec", "s3fs", "gcsfs"} <= held
    assert not {"s3fs", "gcsfs"} & {pin.partition("==")[0] for pin in pinned("embedded")}


def test_make_lists_its_targets():
    if shutil.which("make") is None:
        pytest.skip("no make")
    done = subprocess.run(
        ["make", "-C", str(ROOT), "--no-print-directory"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MAKEFLAGS": ""},
    )
    for target in ("run", "test", "check", "fmt", "bench", "clean", "help", "lock"):
        assert f"make {target} " in done.stdout
