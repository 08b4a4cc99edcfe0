"""The GPU benchmark, on tiny models and a processor: it runs, and what it leaves is complete."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("nemo")
pytest.importorskip("TTS")

REPOSITORY = Path(__file__).resolve().parents[2]
TIMES = ("first_p50_s", "first_p95_s", "total_p50_s", "rtf_p50", "throughput")


def bench(results: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.bench.gpu", *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"BENCH_RESULTS": str(results), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )


@pytest.mark.timeout(600)
def test_a_tiny_run_leaves_a_complete_report(tmp_path):
    done = bench(tmp_path, "--tiny", "--quick")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "gpu.json").read_text("utf-8"))
    measured = record["results"]
    engines = measured["results"]
    assert not any("skipped" in entry for entry in engines.values())
    assert all(entry["load_s"] > 0 and entry["length"] for entry in engines.values())

    nemo = engines["nemo"]["runs"]
    assert nemo.keys() == {"single", "batched"}
    for run in (*nemo.values(), engines["xtts"]["runs"]["single"]):
        assert list(run) == ["1", "4", "8", "16"]
        assert all(entry[name] > 0 for entry in run.values() for name in TIMES)
        assert all(entry["first_p50_s"] <= entry["total_p95_s"] for entry in run.values())
    assert all(entry["mean_batch"] == 1 for entry in nemo["single"].values())
    assert nemo["batched"]["16"]["mean_batch"] > 2
    assert len(measured["targets"]) == 2

    parakeet = engines["parakeet-tdt-0.6b"]
    assert list(parakeet["model"]) == ["1", "4", "16", "32"]
    assert all(entry["rtfx"] > 0 for entry in parakeet["model"].values())
    assert parakeet["served"]["batched"]["32"]["mean_batch"] > 2
    cases = engines["whisper"]["cases"].values()
    assert all(case["tokens"] > 50 and case["rtf_p50"] > 0 for case in cases)

    text = (tmp_path / "gpu.md").read_text("utf-8")
    assert record["method"] in text
    assert "random" in record["method"]
    assert text.count("\n| --- |") == 5
    assert text.strip() in done.stdout


def test_without_a_gpu_it_says_so(tmp_path):
    done = bench(tmp_path)
    assert done.returncode == 2
    assert "No GPU" in done.stdout
    assert not list(tmp_path.iterdir())
