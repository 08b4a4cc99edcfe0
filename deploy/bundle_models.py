"""Prepare models while an image is built, so that the image works without a network.

python bundle_models.py FOLDER [NAME…]    into FOLDER/models; without names an empty folder
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from shutil import rmtree

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SECOND_NS = 1_000_000_000


def main() -> None:
    """Prepare the models named on the command line.

    Raises:
        MeshError: the error of the first model that could not be prepared.
    """
    home, names = Path(sys.argv[1]), sys.argv[2:]
    models = home / "models"
    models.mkdir(parents=True, exist_ok=True)
    if not names:
        return
    # The environment has no pip of its own; this copy of the environment is discarded.
    subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
    from shared.models import prepare_all

    prepared = prepare_all(names, home, progress=_tell)
    for outcome in prepared.values():
        if isinstance(outcome, Exception):
            raise outcome
    settle(names, home)
    for scratch in (".staging", ".locks"):
        rmtree(models / scratch, ignore_errors=True)


def settle(names: list[str], home: Path) -> None:
    """Round the files' times to whole seconds and update their manifests accordingly.

    Image layers do not store fractions of a second. If the times differed from the manifest's,
    every start would hash all models again.
    """
    from shared.models import locate

    for name in names:
        for path in (home / "models" / name).iterdir():
            whole = path.stat().st_mtime_ns // SECOND_NS * SECOND_NS
            os.utime(path, ns=(whole, whole))
        locate(name, home)


def _tell(model: str, what: str, done: int, total: int) -> None:
    if done in (0, total):
        print(f"{model}: {what}", flush=True)


if __name__ == "__main__":
    main()
