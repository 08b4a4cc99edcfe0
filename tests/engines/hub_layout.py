"""Files laid out as the hub's client keeps them, so that its names are found offline."""

from __future__ import annotations

import shutil
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def place(hf_home: Path, repository: str, *files: str) -> Path:
    """Copies ``files`` into the snapshot of ``repository``; a single ``.nemo`` gets its name."""
    root = hf_home / "hub" / f"models--{repository.replace('/', '--')}"
    snapshot = root / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(COMMIT, "utf-8")
    for file in files:
        source = Path(file)
        name = f"{repository.rsplit('/', 1)[-1]}.nemo" if source.suffix == ".nemo" else source.name
        shutil.copy(source, snapshot / name)
    return snapshot
