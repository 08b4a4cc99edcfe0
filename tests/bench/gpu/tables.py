"""What was measured, as tables, and how, in words."""

from __future__ import annotations

import textwrap
from typing import Any

from tests.bench.gpu.workload import Plan
from tests.bench.report import table

PUBLISHED = {
    "FastPitch": 45e6,
    "HiFiGAN generator": 14e6,
    "parakeet-tdt-0.6b": 0.6e9,
    "parakeet-tdt-1.1b": 1.1e9,
    "XTTS GPT": 0.44e9,
    "whisper large-v3": 1.54e9,
}
"""Parameters by the models' cards and papers."""
LEAST_RATIO = 2.0
METHOD = """
The engines of the services, each behind the queue that its service gives it, in one process; the
clients are threads that ask one thing after the other. **Weights are random** ({size}): speed
depends on them through the length of the output only, which is fixed: {lengths}.
Medians over {rounds} round{s} after one that does not count; modes take turns within a round. Times
end when the sound or the text is in the processor's memory, so that the GPU has done its work; the
model alone is timed between calls of `torch.cuda.synchronize`.

**Speech**: {answer} ({requests} a client and round; xtts: {sentence}, one a client, half the
rounds, all of which count). *First audio*: from the request to its first chunk, queue included.
*Throughput*: seconds of speech made by all clients over the time from their common start to the
last chunk. *Batched*: up to 16 sentences together, patience 8 ms; *single*: the same model with
`BATCH_ITEMS=1`.

**Recognition**: recordings of {clip_s:g} s of made-up vowels, which the speech detector takes for
speech ({recordings} a client and round). *RTFx, model*: a batch through the model, text and times
included; *served*: as many clients, with speech detector and queue; *single*: the same with
`BATCH_ITEMS=1`.

**Load**: as `/readyz` reports it, loading and warming up together; of two engines that share a
model, the shorter. Weights built in memory are not read from a disk.
"""


def method(plan: Plan, results: dict[str, Any]) -> str:
    """The method, with the lengths of what was measured."""
    lengths = [entry["length"] for entry in results.values() if "length" in entry]
    text = METHOD.format(
        size="the tests' tiny models, on one thread of a processor"
        if plan.tiny
        else "the published sizes",
        lengths="; ".join(dict.fromkeys(lengths)) or "nothing was measured",
        answer="one word" if plan.tiny else "an answer of a first clause and two sentences",
        sentence="the same" if plan.tiny else "one sentence",
        rounds=plan.rounds,
        s="" if plan.rounds == 1 else "s",
        requests=plan.requests,
        recordings=plan.recordings,
        clip_s=plan.clip_s,
    )
    return "\n\n".join(textwrap.fill(part, 100) for part in text.strip().split("\n\n"))


def targets(results: dict[str, Any]) -> list[dict[str, Any]]:
    """What the batches of nemo must bring, and whether they do."""
    nemo = results.get("nemo", {})
    if "throughput_ratio" not in nemo:
        return []
    return [
        {
            "target": "throughput of 16 clients, batched over single",
            "wanted": f">= {LEAST_RATIO:g}",
            "measured": nemo["throughput_ratio"],
            "met": nemo["throughput_ratio"] >= LEAST_RATIO,
        },
        {
            "target": "first audio of one client, batched less single, s",
            "wanted": f"<= {nemo['patience_s']:g}",
            "measured": nemo["first_audio_later_s"],
            "met": nemo["first_audio_later_s"] <= nemo["patience_s"],
        },
    ]


def render(data: dict[str, Any]) -> str:
    """All tables."""
    results = data["results"]
    gpu, versions = data["gpu"], data["versions"]
    memory = f", {gpu['memory_gib']:.0f} GiB, CUDA {gpu['cuda']}" if "cuda" in gpu else ""
    parts = [
        f"GPU: {gpu['name']}{memory}. "
        + ", ".join(f"{name} {number}" for name, number in versions.items())
        + ".",
        _models(results),
    ]
    speech = {name: results[name]["runs"] for name in results if "runs" in results[name]}
    if speech:
        parts.append(_speech(speech))
    if data["targets"]:
        rows = [
            (t["target"], t["wanted"], t["measured"], "yes" if t["met"] else "NO")
            for t in data["targets"]
        ]
        parts.append(table(("nemo", "wanted", "measured", "met"), rows))
    recognised = {name: entry for name, entry in results.items() if "served" in entry}
    if recognised:
        parts.append(_recognition(recognised))
    if "cases" in results.get("whisper", {}):
        parts.append(_whisper(results["whisper"]["cases"]))
    skipped = [(name, entry["skipped"]) for name, entry in results.items() if "skipped" in entry]
    if skipped:
        parts.append(table(("not measured", "reason"), skipped))
    return "\n\n".join(parts)


def shapes(parameters: dict[str, int]) -> str:
    """Parameters beside the published numbers."""
    rows = [
        (name, round(number / 1e6), round(PUBLISHED[name] / 1e6) if name in PUBLISHED else "")
        for name, number in parameters.items()
    ]
    return table(("model", "parameters, M", "published, M"), rows)


def _models(results: dict[str, Any]) -> str:
    rows = []
    for name, entry in results.items():
        if "load_s" in entry:
            parts = ", ".join(f"{part} {n / 1e6:.0f} M" for part, n in entry["parameters"].items())
            memory = entry["gpu_memory_gib"]
            rows.append(
                (
                    *(name, parts or "tiny", entry["weights"], entry["load_s"]),
                    "" if memory is None else memory,
                )
            )
    return table(("engine", "parameters", "weights", "load, s", "GPU memory, GiB"), rows)


def _speech(engines: dict[str, Any]) -> str:
    rows = [
        (
            *(engine, mode, streams, run["first_p50_s"], run["first_p95_s"], run["rtf_p50"]),
            run["throughput"],
            "" if run["mean_batch"] is None else run["mean_batch"],
        )
        for engine, modes in engines.items()
        for streams in next(iter(modes.values()))
        for mode, run in ((mode, modes[mode][streams]) for mode in modes)
    ]
    headers = ("engine", "mode", "streams", "first audio p50, s", "p95, s", "RTF p50")
    return table((*headers, "throughput, s/s", "mean batch"), rows)


def _recognition(engines: dict[str, Any]) -> str:
    rows = []
    for engine, entry in engines.items():
        for size, alone in entry["model"].items():
            single, batched = (entry["served"][mode][size] for mode in ("single", "batched"))
            rows.append(
                (
                    *(engine, size, alone["rtfx"], batched["throughput"], single["throughput"]),
                    *(batched["total_p50_s"], batched["total_p95_s"], single["total_p50_s"]),
                    *(batched["mean_batch"], alone["tokens_per_audio_second"]),
                )
            )
    headers = (
        *("engine", "at once", "RTFx, model", "RTFx, served", "RTFx, served single"),
        *("transcript p50, s", "p95, s", "single p50, s", "mean batch", "tokens/s of audio"),
    )
    return table(headers, rows)


def _whisper(cases: dict[str, Any]) -> str:
    rows = [
        (
            *(f"{case['audio_s']:g} s", case["tokens"], case["first_p50_s"], case["total_p50_s"]),
            *(case["rtf_p50"], case["audio_s"] / case["total_p50_s"]),
        )
        for case in cases.values()
    ]
    headers = ("whisper", "tokens", "first text, s", "transcript, s", "RTF", "RTFx")
    return table(headers, rows)
