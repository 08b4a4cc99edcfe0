"""What every benchmark shares: medians, the machine, and the JSON and Markdown it leaves behind."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(os.environ.get("BENCH_RESULTS", "bench-results"))


def quantile(values: Sequence[float], q: float) -> float:
    """The ``q`` quantile (0..1) by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median, 10th and 90th percentile and count."""
    return {
        "median": statistics.median(values),
        "p10": quantile(values, 0.1),
        "p90": quantile(values, 0.9),
        "n": len(values),
    }


def machine() -> dict[str, Any]:
    """Processor, cores and load at the moment of measuring."""
    model = platform.processor()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; floats get three significant digits."""

    def cell(value: Any) -> str:
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    lines = [
        "| " + " | ".join(headers) + " |",
        "| " + " | ".join("---" for _ in headers) + " |",
    ]
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def write(name: str, title: str, method: str, tables: str, data: dict[str, Any]) -> None:
    """Print the tables; keep them, with the method and all figures, under ``bench-results/``."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    where = machine()
    text = (
        f"## {title}\n\n{method.strip()}\n\n"
        f"Machine: {where['processor']}, {where['cores']} cores, Python {where['python']}, "
        f"load {where['load_average']:.1f} at the end, {where['when']}.\n\n{tables}\n"
    )
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    record = {"title": title, "method": method.strip(), "machine": where, "results": data}
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    print(text)
