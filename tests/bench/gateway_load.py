"""What the gateway adds under load, beside nginx as a plain proxy and an older checkout.

    python -m tests.bench.gateway_load [--old CHECKOUT] [--rounds N] [--seconds S]

Needs the Debian packages ``nginx-light`` and ``wrk``; without nginx its column is missing.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench import report  # noqa: E402
from tests.local_mesh import FAKE_ENGINES  # noqa: E402
from tests.ports import four_in_a_row, free_ports  # noqa: E402

METHOD = """
Four processes with fake engines (an answer of /synthesize takes about 1 ms and 20 KB). `wrk` posts
a short text for {seconds} s with 1 and with 16 connections, to the service's own port, to nginx and
to the gateways in front of it, in turn, {rounds} rounds; medians over the rounds of the median time
and of the requests per second. wrk, the proxy and the service share the cores. Processor time per
MB: that of the proxy's processes over 40 long answers read by one client.
"""
BODY = '{"text": "This is a short sentence to be spoken."}'
LONG = {"text": "This is a sentence of a long text. " * 400}
NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream tts {{ server 127.0.0.1:{tts}; keepalive 32; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://tts; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_set_header Host localhost;
    }}
  }}
}}
"""


@contextmanager
def mesh(checkout: Path, home: Path) -> Iterator[int]:
    """Start a mesh of ``checkout``; give its first port."""
    port = four_in_a_row()
    process = subprocess.Popen(
        [sys.executable, "-m", "mesh.cli", "up", "--port", str(port)],
        cwd=checkout,
        env={
            **os.environ,
            **FAKE_ENGINES,
            "PYTHONPATH": str(checkout),
            "VOICEMESH_HOME": str(home),
            # An old checkout moves the gateway's port only.
            "TTS_PORT": str(port + 1),
            "STT_PORT": str(port + 2),
            "AGENT_PORT": str(port + 3),
            "RATE_LIMIT_PER_MINUTE": "0",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(f"http://127.0.0.1:{port}/readyz")
        yield port
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def nginx(tts: int) -> Iterator[tuple[int, int]]:
    """Start nginx before the port of a service; give its port and process id."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, tts=tts, port=port))
        process = subprocess.Popen(["nginx", "-c", str(config), "-p", folder])
        try:
            _wait(f"http://127.0.0.1:{port}/livez")
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(10)


def wrk(port: int, connections: int, seconds: float, script: Path) -> tuple[float, float]:
    """Return the median time in milliseconds and the requests per second."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", "-s", str(script)]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}/synthesize"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise SystemExit(f"errors on port {port}:\n{done.stdout}{done.stderr}")
    median = re.search(r"50%\s+([\d.]+)(us|ms|s)", done.stdout)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if median is None or rate is None:
        raise SystemExit(done.stdout)
    return float(median[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[median[2]], float(rate[1])


def processor_ms_per_mb(port: int, pids: list[int]) -> float:
    """Return the processor time of processes per MB of long answers that pass them."""
    session = requests.Session()
    before, size = _processor_s(pids), 0
    for _ in range(40):
        size += len(session.post(f"http://127.0.0.1:{port}/synthesize", json=LONG).content)
    return 1000 * (_processor_s(pids) - before) / (size / 1e6)


def main() -> int:
    """Measure, and leave the figures in the folder of results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--old", type=Path, help="checkout of an older commit, measured beside")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("needs wrk: apt install wrk nginx-light")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        script = folder / "post.lua"
        script.write_text(
            'wrk.method = "POST"\n'
            'wrk.headers["Content-Type"] = "application/json"\n'
            f"wrk.body = '{BODY}'\n"
        )
        new = stack.enter_context(mesh(ROOT, folder / "new"))
        targets = {"service": new + 1, "gateway": new}
        pids = {"gateway": family(new, "gateway")}
        if shutil.which("nginx") is not None:
            port, pid = stack.enter_context(nginx(new + 1))
            targets["nginx"], pids["nginx"] = port, [pid, *_children(pid)]
        if options.old is not None:
            old = stack.enter_context(mesh(options.old, folder / "old"))
            targets |= {"old service": old + 1, "old gateway": old}
            pids["old gateway"] = family(old, "gateway")
        rows, results = [], {}
        measured: dict[str, dict[int, list[tuple[float, float]]]] = {
            name: {1: [], 16: []} for name in targets
        }
        for connections in (1, 16):
            for _ in range(options.rounds):
                for name, port in targets.items():
                    # What the last run left unfinished must be over.
                    time.sleep(0.5)
                    found = wrk(port, connections, options.seconds, script)
                    measured[name][connections].append(found)
        for name, by_connections in measured.items():
            single = statistics.median(ms for ms, _ in by_connections[1])
            busy = statistics.median(ms for ms, _ in by_connections[16])
            rate = statistics.median(rate for _, rate in by_connections[16])
            cost = processor_ms_per_mb(targets[name], pids[name]) if name in pids else None
            models = _models_ms(targets[name]) if "gateway" in name else None
            results[name] = {
                "median_ms_1": single,
                "median_ms_16": busy,
                "requests_per_s_16": rate,
                "processor_ms_per_mb": cost,
                "models_ms": models,
            }
            rows.append((name, single, busy, rate, cost or "", models or ""))
    headers = ("", "1 client, ms", "16 clients, ms", "requests/s", "CPU ms/MB", "/v1/models, ms")
    method = METHOD.format(seconds=options.seconds, rounds=options.rounds)
    table = report.table(headers, rows)
    report.write("gateway_load", "The gateway under load", method, table, results)
    return 0


def _models_ms(port: int) -> float:
    session, times = requests.Session(), []
    for _ in range(30):
        started = time.perf_counter()
        session.get(f"http://127.0.0.1:{port}/v1/models").raise_for_status()
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def _wait(url: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if requests.get(url, timeout=5, headers={"Host": "localhost"}).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.1)
    raise SystemExit(f"{url} did not answer")


def family(port: int, service: str) -> list[int]:
    """Return the processes of ``service`` in the mesh whose gateway is at ``port``."""
    offset = ("gateway", "tts_service", "stt_service", "voice_agent").index(service)
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        ours = any(entry.endswith(f"PORT={port + offset}".encode()) for entry in environment)
        if ours and f"{service}/gunicorn.conf.py".encode() in command:
            found.append(int(folder.name))
    return found


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _processor_s(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
