"""Many open sockets: how long a message is on its way, and what an idle socket costs.

python -m tests.bench.sockets [--old CHECKOUT] [--idle N] [--talking N]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import websocket

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench import report  # noqa: E402
from tests.bench.gateway_load import family, mesh  # noqa: E402

METHOD = """
Four processes with fake engines. {idle} sockets are open on the gateway's /ws and say nothing;
{talking} on /ws/tts send a text every 200 ms, 25 times. Time from sending a text to the event
`start`, which passes gateway and service twice. Memory: resident size of the processes of gateway
and agent with the idle sockets, less that before, by their number.
"""


def talk(port: int, start: threading.Barrier, times: list[float]) -> None:
    """Send texts over one socket and note the time to each ``start``."""
    socket = websocket.create_connection(f"ws://127.0.0.1:{port}/ws/tts", timeout=30)
    start.wait()
    for _ in range(25):
        sent = time.perf_counter()
        socket.send(json.dumps({"text": "Yes."}))
        first = json.loads(socket.recv())
        times.append(1000 * (time.perf_counter() - sent))
        if first.get("event") != "start":
            raise SystemExit(f"unexpected: {first}")
        while True:
            message = socket.recv()
            if isinstance(message, str) and '"end"' in message:
                break
        time.sleep(0.2)
    socket.close()


def measure(port: int, idle: int, talking: int) -> dict[str, Any]:
    """Return the figures of one mesh."""
    before = {name: _resident_kb(port, name) for name in ("gateway", "voice_agent")}
    url = f"ws://127.0.0.1:{port}/ws"
    opened = [websocket.create_connection(url, timeout=30) for _ in range(idle)]
    time.sleep(1)
    memory = {name: (_resident_kb(port, name) - kb) / idle for name, kb in before.items()}
    times: list[float] = []
    barrier = threading.Barrier(talking)
    talkers = [threading.Thread(target=talk, args=(port, barrier, times)) for _ in range(talking)]
    for talker in talkers:
        talker.start()
    for talker in talkers:
        talker.join()
    for socket in opened:
        socket.close()
    return {
        "p50_ms": report.quantile(times, 0.5),
        "p95_ms": report.quantile(times, 0.95),
        "messages": len(times),
        "gateway_kb": memory["gateway"],
        "agent_kb": memory["voice_agent"],
    }


def main() -> int:
    """Measure, and leave the figures in the folder of results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--old", type=Path, help="checkout of an older commit, measured after")
    parser.add_argument("--idle", type=int, default=200)
    parser.add_argument("--talking", type=int, default=16)
    options = parser.parse_args()
    rows, results = [], {}
    checkouts = {"now": ROOT} | ({"old": options.old} if options.old else {})
    for name, checkout in checkouts.items():
        with ExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            port = stack.enter_context(mesh(checkout, home))
            found = measure(port, options.idle, options.talking)
        results[name] = found
        rows.append((name, *found.values()))
    headers = ("", "p50, ms", "p95, ms", "messages", "gateway, KB a socket", "agent, KB a socket")
    method = METHOD.format(idle=options.idle, talking=options.talking)
    report.write("sockets", "Open sockets", method, report.table(headers, rows), results)
    return 0


def _resident_kb(port: int, service: str) -> int:
    total = 0
    for pid in family(port, service):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1])
    return total


if __name__ == "__main__":
    sys.exit(main())
