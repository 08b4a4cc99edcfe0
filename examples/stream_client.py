"""Streamed speech over HTTP: run ``client_tests/stream_client.py``."""

import runpy
from pathlib import Path

if __name__ == "__main__":
    folder = Path(__file__).resolve().parents[1] / "client_tests"
    runpy.run_path(str(folder / "stream_client.py"), run_name="__main__")
