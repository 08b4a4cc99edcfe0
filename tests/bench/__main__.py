"""All benchmarks, one after the other, against a mesh that is started for them.

    python -m tests.bench [--url URL] [--only NAME …] [--quick]

Results lie in ``bench-results/`` (``BENCH_RESULTS``): one JSON and one Markdown file each.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import requests

HERE = Path(__file__).parent
SUITE = (
    "speed",
    "gateway_cost",
    "stt_wer",
    "tts_readback",
    "voice_matching",
    "soak",
    "gateway_load",
    "sockets",
)
OWN_MESH = ("voice_matching", "gateway_load", "sockets")
"""These need no mesh, or start one themselves."""
QUICK = {
    "speed": ["--count", "3"],
    "gateway_cost": ["--count", "20"],
    "tts_readback": ["--limit", "3"],
    "soak": ["--count", "20"],
    "gateway_load": ["--rounds", "1", "--seconds", "1"],
    "sockets": ["--idle", "20", "--talking", "4"],
}
READY_WITHIN_S = 300


def start_mesh() -> subprocess.Popen[bytes]:
    """``mesh up`` on the usual ports, ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mesh.cli", "up"], stdout=subprocess.DEVNULL, cwd=HERE.parents[1]
    )
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get("http://127.0.0.1:8000/readyz", timeout=5).status_code == 200:
                return process
        except requests.RequestException:
            pass
        time.sleep(0.5)
    process.terminate()
    raise SystemExit("the mesh did not get ready; see: mesh doctor")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a mesh that runs already, on the usual ports")
    parser.add_argument("--only", nargs="*", choices=SUITE, default=SUITE)
    parser.add_argument("--quick", action="store_true", help="few repetitions: does it run?")
    options = parser.parse_args()
    mesh = None if options.url else start_mesh()
    failed = []
    try:
        for name in options.only:
            extra = QUICK.get(name, []) if options.quick else []
            if options.url and name not in OWN_MESH:
                extra = [*extra, "--url", options.url]
            command = [sys.executable, str(HERE / f"{name}.py"), *extra]
            if subprocess.run(command, check=False).returncode:
                failed.append(name)
    finally:
        if mesh is not None:
            mesh.terminate()
            mesh.wait()
    if failed:
        print(f"missed their targets or failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
