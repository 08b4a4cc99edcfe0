"""The GPU engines at their real sizes, with random weights.

    python -m tests.bench.gpu [--tiny] [--quick] [--shapes] [--only NAME …] [--device cuda:1]

Results lie in ``bench-results/`` (``BENCH_RESULTS``): ``gpu.json`` and ``gpu.md``. Exit status: 0
when everything that could be measured was and met its target, 1 otherwise, 2 without a GPU. With
--tiny or --quick targets are reported and decide nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench import report
from tests.bench.gpu import device, recognition_runs, speech_runs, tables
from tests.bench.gpu.hosting import Unavailable
from tests.bench.gpu.models import Model
from tests.bench.gpu.workload import Plan

Section = Callable[[Plan, Path], dict[str, Any]]
SECTIONS: dict[str, Section] = {
    "nemo": speech_runs.nemo,
    "xtts": speech_runs.xtts,
    **{
        name: partial(recognition_runs.parakeet, name)
        for name in ("parakeet-tdt-0.6b", "parakeet-tdt-1.1b")
    },
    "whisper": recognition_runs.whisper,
}
TINY = ("nemo", "xtts", "parakeet-tdt-0.6b", "whisper")
"""The two Parakeets are the same tiny model."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="tiny models on the CPU: does it run?")
    parser.add_argument("--quick", action="store_true", help="one round of everything")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="engines to measure")
    parser.add_argument("--device", default="", help="cuda:1 instead of the first GPU")
    parser.add_argument(
        "--shapes", action="store_true", help="build the models on the CPU, count parameters, end"
    )
    options = parser.parse_args()
    wanted = options.only or (TINY if options.tiny else tuple(SECTIONS))
    if options.shapes:
        print(tables.shapes(_count_all(wanted)))
        return 0
    where = "cpu" if options.tiny else options.device or device.visible()
    if not where:
        print("No GPU is visible to torch here: nothing was measured. --tiny runs the same")
        print("program on tiny models on the processor, --shapes builds the real ones.")
        return 2
    if options.tiny:
        device.use_one_thread()
    plan = _plan(where, tiny=options.tiny, quick=options.quick)
    results, failed = _measure(wanted, plan)
    data = {
        "gpu": device.describe(where),
        "versions": device.versions(),
        "tiny": plan.tiny,
        "targets": tables.targets(results),
        "results": results,
    }
    title = "GPU engines, tiny models on a CPU" if plan.tiny else "GPU engines at their real sizes"
    report.write("gpu", title, tables.method(plan, results), tables.render(data), data)
    judged = not (options.tiny or options.quick)
    missed = judged and not all(target["met"] for target in data["targets"])
    return 1 if failed or missed else 0


def _plan(where: str, *, tiny: bool, quick: bool) -> Plan:
    if tiny:
        rounds = 1 if quick else 3
        return Plan(True, where, rounds, requests=8, recordings=1, clip_s=4.0, long_s=60.0)
    return Plan(False, where, 1 if quick else 5, requests=4, recordings=2)


def _measure(wanted: tuple[str, ...], plan: Plan) -> tuple[dict[str, Any], bool]:
    """Results by engine, and whether one of them failed."""
    results: dict[str, Any] = {}
    failed = False
    for name in wanted:
        began = time.monotonic()
        print(f"{name} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="voicemesh-bench-") as folder:
            try:
                results[name] = SECTIONS[name](plan, Path(folder))
            except Unavailable as reason:
                results[name] = {"skipped": str(reason)}
            except Exception as error:
                # One engine that fails keeps nobody from seeing the others.
                traceback.print_exc()
                results[name] = {"skipped": f"failed: {type(error).__name__}: {error}"}
                failed = True
        device.free()
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return results, failed


def _count_all(wanted: tuple[str, ...]) -> dict[str, int]:
    """Parameters of each model; one at a time in memory."""
    from tests.bench.gpu import real_nemo, real_xtts, whisper_shape

    builders: dict[str, Callable[[Path], Model]] = {
        "nemo": real_nemo.speech,
        "xtts": real_xtts.speech,
        "parakeet-tdt-0.6b": partial(real_nemo.recogniser, "parakeet-tdt-0.6b"),
        "parakeet-tdt-1.1b": partial(real_nemo.recogniser, "parakeet-tdt-1.1b"),
        "whisper": partial(whisper_shape.write, whisper_shape.LARGE_V3),
    }
    found: dict[str, int] = {}
    for name in wanted:
        with tempfile.TemporaryDirectory(prefix="voicemesh-bench-") as folder:
            found |= builders[name](Path(folder)).parameters
        device.free()
    return found


if __name__ == "__main__":
    # The libraries warn of their own deprecations, hundreds of times.
    warnings.simplefilter("ignore")
    sys.exit(main())
