"""What the gateway adds: the same requests through it and on the services' own ports."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import requests

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench import report

METHOD = """
One client, one request at a time, connections kept. Each pair is the same request through the
gateway and on the service's own port, in turn (which goes first alternates), {count} pairs after 5
that are not counted. Time to the last byte. The ratio is the median over pairs of gateway /
direct; the cost the median over pairs of the difference.
"""


def pairs(
    session: requests.Session, through: str, direct: str, send: dict[str, object], count: int
) -> tuple[list[float], list[float]]:
    """Seconds of each request through the gateway and of its twin on the service's port."""

    def timed(url: str) -> float:
        started = time.perf_counter()
        answer = session.post(url, **send)  # type: ignore[arg-type]
        answer.raise_for_status()
        return time.perf_counter() - started

    gateway, service = [], []
    for number in range(count + 5):
        if number % 2:
            a, b = timed(through), timed(direct)
        else:
            b, a = timed(direct), timed(through)
        if number >= 5:
            gateway.append(a)
            service.append(b)
    return gateway, service


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--tts", default="http://127.0.0.1:5000")
    parser.add_argument("--stt", default="http://127.0.0.1:5001")
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    session = requests.Session()
    if token := os.environ.get("MESH_TOKEN"):
        session.headers["Authorization"] = f"Bearer {token}"
    text = {"text": "This is a short sentence to be spoken."}
    speech = session.post(f"{options.tts}/synthesize", json={**text, "stream": False}).content
    cases = {
        "/synthesize": (options.tts, {"json": text}),
        "/transcribe": (options.stt, {"data": speech, "headers": {"Content-Type": "audio/wav"}}),
    }
    rows, results = [], {}
    for path, (service, send) in cases.items():
        gateway, direct = pairs(session, options.url + path, service + path, send, options.count)
        costs = report.summary([a - b for a, b in zip(gateway, direct, strict=True)])
        ratios = report.summary([a / b for a, b in zip(gateway, direct, strict=True)])
        results[path] = {
            "gateway_s": report.summary(gateway),
            "direct_s": report.summary(direct),
            "cost_s": costs,
            "ratio": ratios,
        }
        rows.append(
            (
                path,
                1000 * results[path]["direct_s"]["median"],
                1000 * results[path]["gateway_s"]["median"],
                1000 * costs["median"],
                ratios["median"],
            )
        )
    headers = ("request", "direct, ms", "gateway, ms", "cost, ms", "ratio")
    method = METHOD.format(count=options.count)
    report.write(
        "gateway_cost", "Cost of the gateway", method, report.table(headers, rows), results
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
