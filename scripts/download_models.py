"""Prepare models in advance, like ``mesh download`` with the same options."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Run ``mesh download`` from a checkout that may not be installed."""
    sys.path.insert(0, str(ROOT))
    try:
        from mesh.cli import group
    except ModuleNotFoundError as missing:
        sys.exit(f"{missing.name} is not installed; run: scripts/setup_env.sh embedded")
    group(["download", *sys.argv[1:]], prog_name="download_models.py")


if __name__ == "__main__":
    main()
