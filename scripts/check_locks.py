"""Check that all packages of the locks can still be installed from the package index.

For each lock, Python version and processor, uv resolves the lock as an installation would, without
downloading and without a cache. This detects withdrawn versions, files with another hash and
missing wheels.

python3 scripts/check_locks.py [LOCK…]    all of requirements/ if none is given
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28")

SOURCE_ONLY = frozenset(
    {"antlr4-python3-runtime", "docopt", "gruut-lang-fr", "jieba", "unidic-lite", "wget"}
)
"""Pure Python packages without wheels, which are built with requirements/build.lock."""

NEWER = ("3.13", "3.14")
NEEDS_COMPILER = (
    # Locks, Pythons, processors, packages; documented in docs/installing.md and shown by mesh
    # doctor.
    (("engines", "tts-nemo"), NEWER, ("x86_64",), {"editdistance"}),
    (("engines", "tts-nemo"), ("3.14",), ("x86_64",), {"pynini"}),
    (("engines", "tts-xtts"), NEWER, ("x86_64",), {"mojimoji"}),
    (("engines", "tts-xtts"), PYTHONS, ("aarch64",), {"mojimoji", "monotonic-alignment-search"}),
)
"""Packages that have no wheel for a combination and are not pure Python."""

NOT_FOR = {"av-newest": {"3.11"}}
"""Locks that do not support a Python version."""

_NO_WHEEL = re.compile(r"Because ([A-Za-z0-9._-]+)(?:\{[^}]*\})?==\S+ has no usable wheels")


def main() -> int:
    """Check all combinations and return the exit status: 0 if everything can be installed."""
    locks = [Path(name) for name in sys.argv[1:]] or sorted((ROOT / "requirements").glob("*.lock"))
    jobs = [
        (lock, python, platform)
        for lock, python, platform in product(locks, PYTHONS, PLATFORMS)
        if python not in NOT_FOR.get(lock.stem, ())
    ]
    with ThreadPoolExecutor(4) as executor:
        faults = list(executor.map(lambda job: fault_of(*job), jobs))
    for (lock, python, platform), fault in zip(jobs, faults, strict=True):
        if fault:
            print(f"{lock.stem}.lock, Python {python}, {platform}: {fault}")
    found = sum(map(bool, faults))
    print(f"{len(locks)} locks, {len(jobs)} combinations, {found} with a fault")
    return 1 if found else 0


def fault_of(lock: Path, python: str, platform: str) -> str:
    """Return why the lock cannot be installed for a Python and platform; empty if it can."""
    without_wheel = set(SOURCE_ONLY)
    for locks, pythons, processors, packages in NEEDS_COMPILER:
        if lock.stem in locks and python in pythons and platform.startswith(processors):
            without_wheel |= packages
    answer = resolve(lock, python, platform, without_wheel)
    if answer is None:
        return ""
    if found := _NO_WHEEL.search(answer):
        return f"{found[1]} has no wheel (scripts/check_locks.py lists those that are known)"
    return " ".join(answer.split())[:400]


def resolve(lock: Path, python: str, platform: str, without_wheel: set[str]) -> str | None:
    """Resolve a lock with uv and return its error output; None on success."""
    with tempfile.TemporaryDirectory() as target:
        command = [
            *(str(ROOT / "scripts" / "uv.sh"), "pip", "install", "--dry-run", "--quiet"),
            *("--no-cache", "--no-deps", "--require-hashes", "--no-python-downloads"),
            *("--python-version", python, "--python-platform", platform, "--target", target),
            *("--only-binary", ":all:"),
            *(word for name in sorted(without_wheel) for word in ("--no-binary", name)),
            *("-r", str(lock)),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr


if __name__ == "__main__":
    sys.exit(main())
