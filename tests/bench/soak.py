"""Memory over many requests: it must stay flat once warm."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import requests

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench import report
from tests.bench.speed import memory

WARM_UP = 60
FLAT = 0.05
METHOD = """
{count} rounds, one after the other, each a `/synthesize` (English and, every tenth, Spanish), a
`/transcribe` of what it made, and every tenth an `/api/converse` (every fourth while warming up,
so that the language model's bounded prompt cache is full). PSS of each process after {warm} rounds
of warming up and at the end; flat is within 5 %.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--count", type=int, default=300)
    options = parser.parse_args()
    session = requests.Session()
    if token := os.environ.get("MESH_TOKEN"):
        session.headers["Authorization"] = f"Bearer {token}"

    def round_trip(number: int, converse_every: int) -> None:
        text = {"text": f"Message number {number}. " + "It goes on for a while. " * (number % 4)}
        if number % 10 == 5:
            text = {"text": f"Mensaje número {number}.", "language": "es"}
        speech = session.post(f"{options.url}/synthesize", json={**text, "stream": False})
        speech.raise_for_status()
        sound = {"data": speech.content, "headers": {"Content-Type": "audio/wav"}}
        session.post(f"{options.url}/transcribe", **sound).raise_for_status()
        if number % converse_every == 0:
            session.post(f"{options.url}/api/converse", **sound).raise_for_status()

    for number in range(WARM_UP):
        round_trip(number, converse_every=4)
    before = memory()
    for number in range(options.count):
        round_trip(number, converse_every=10)
    after = memory()
    rows = [
        (name, round(before[name]), round(after[name]), 100 * (after[name] / before[name] - 1))
        for name in before
        if before[name]
    ]
    headers = ("process", "warm, MiB", "end, MiB", "change, %")
    method = METHOD.format(count=options.count, warm=WARM_UP)
    data = {"before": before, "after": after}
    report.write("soak", "Memory over requests", method, report.table(headers, rows), data)
    return 0 if all(abs(row[3]) <= 100 * FLAT for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
