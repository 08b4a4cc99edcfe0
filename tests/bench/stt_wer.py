"""Recognition through `POST /transcribe`: word error rate, languages, awkward files."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import requests

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench import report
from tests.bench.scoring import Score, score, total

SPEECH = Path(os.environ.get("VOICEMESH_SPEECH", Path(__file__).parents[3] / "shared" / "speech"))
TARGETS = {"en": 0.05, "es": 0.10, "pt": 0.11}
ERROR_WITHIN_S = 2.0
METHOD = """
Every `speech` row of the manifest whose transcript is gold goes through `POST /transcribe`
(language detected, not told). Word error rate after `tests/bench/scoring.py` (lower case, no
punctuation, numbers as words), all errors over all words; detection counted on clips over 3 s.
Awkward rows are judged by their `expect`: `empty` no text, `error` a 4xx in the agreed shape within
2 s, `ok` within 10 points of the transcript, `ok_if_told_format` the same with the format told.
RTF is the time of all requests over the length of all clips, one at a time.
"""
_TOLD = {
    "fmt_raw_s16le_16k.pcm": {"encoding": "s16le", "sample_rate": "16000"},
    "fmt_raw_mulaw_8k.ulaw": {"encoding": "mulaw", "sample_rate": "8000"},
}


def transcribe(
    session: requests.Session, url: str, path: Path, **fields: str
) -> tuple[int, dict[str, Any], float]:
    """Status, JSON and seconds of one request."""
    started = time.perf_counter()
    with path.open("rb") as file:
        answer = session.post(
            f"{url}/transcribe", files={"audio_file": (path.name, file)}, data=fields, timeout=180
        )
    return answer.status_code, answer.json(), time.perf_counter() - started


def verdict(row: dict[str, Any], status: int, data: dict[str, Any], seconds: float) -> bool:
    """Whether the answer does what the row expects."""
    expect = row["expect"]
    refused = 400 <= status < 500 and "message" in data.get("error", {})
    if expect == "error":
        return refused and seconds <= ERROR_WITHIN_S
    if expect == "empty":
        return status == 200 and data["text"] == ""
    if expect in ("ok", "ok_if_told_format", "ok_if_one_channel_taken"):
        heard = data.get("text", "")
        return status == 200 and score(row["transcript"], heard, row["language"]).rate <= 0.10
    if expect == "error_or_empty":
        return refused or data.get("text") == ""
    if expect == "error_or_partial":
        return refused or bool(data.get("warnings"))
    return status == 200 or refused


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    options = parser.parse_args()
    session = requests.Session()
    if token := os.environ.get("MESH_TOKEN"):
        session.headers["Authorization"] = f"Bearer {token}"
    lines = (SPEECH / "manifest.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    scores: dict[str, list[Score]] = defaultdict(list)
    detected: dict[str, list[bool]] = defaultdict(list)
    spent = length = 0.0
    awkward: list[tuple[str, str, bool, str]] = []
    for row in rows:
        path = SPEECH / row["file"]
        if row["kind"] == "speech" and row["gold"]:
            _, data, seconds = transcribe(session, options.url, path)
            scores[row["language"]].append(score(row["transcript"], data["text"], row["language"]))
            if row["seconds"] > 3:
                detected[row["language"]].append(data["language"] == row["language"])
            spent, length = spent + seconds, length + row["seconds"]
        elif row["file"].startswith("awkward/"):
            status, data, seconds = transcribe(
                session, options.url, path, **_TOLD.get(path.name, {})
            )
            told = data.get("text", data.get("error", {}).get("code", ""))
            ok = verdict(row, status, data, seconds)
            awkward.append((path.name, row["expect"], ok, f"{status} {told[:60]}"))
    table = []
    for language, found in sorted(scores.items()):
        target = TARGETS.get(language)
        right = detected[language]
        table.append(
            (
                language,
                len(found),
                100 * total(found).rate,
                "" if target is None else 100 * target,
                f"{sum(right)}/{len(right)}",
            )
        )
    failed = [entry for entry in awkward if not entry[2]]
    headers = ("language", "clips", "WER, %", "target, %", "language right")
    text = report.table(headers, table)
    text += f"\n\nRTF {spent / length:.3f} over {length:.0f} s of speech. "
    text += f"Awkward files: {len(awkward) - len(failed)} of {len(awkward)} as expected.\n"
    text += "".join(f"\n- {name}: expected {expect}, got {got}" for name, expect, _, got in failed)
    data_out = {
        "wer": {k: total(v).rate for k, v in scores.items()},
        "detected": {k: [sum(v), len(v)] for k, v in detected.items()},
        "rtf": spent / length,
        "awkward": [dict(zip(("file", "expect", "ok", "got"), e, strict=True)) for e in awkward],
    }
    report.write("stt_wer", "Speech recognition", METHOD, text, data_out)
    missed = [k for k, t in TARGETS.items() if k in scores and total(scores[k]).rate > t]
    return 1 if failed or missed else 0


if __name__ == "__main__":
    sys.exit(main())
