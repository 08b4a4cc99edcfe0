"""Speech engines under load: first audio and throughput by streams, with and without batches."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench.gpu import device
from tests.bench.gpu.clients import Answer, Load, run
from tests.bench.gpu.hosting import ROOMY, Batches, hosted, require
from tests.bench.gpu.models import Model, given
from tests.bench.gpu.workload import Plan, texts
from tests.engines.speaking import request

BATCH_ITEMS = 16
PATIENCE_MS = 8.0
"""The default of ``BATCH_PATIENCE_MS``."""


def nemo(plan: Plan, folder: Path) -> dict[str, Any]:
    """FastPitch and HiFiGAN: the same model with batches of up to 16 and one at a time."""
    from tts_service.engines import REGISTRY
    from tts_service.engines.nemo import NemoEngine

    require(REGISTRY, "nemo")
    model = _tiny_nemo(folder) if plan.tiny else _real_nemo(folder)
    memory = device.Memory(plan.device)
    modes = {"single": 1, "batched": BATCH_ITEMS}
    with ExitStack() as stack:
        stack.enter_context(given(model))
        hosts = {
            mode: stack.enter_context(
                hosted(lambda items=items: NemoEngine(_settings(plan, model, batch_items=items)))
            )
            for mode, items in modes.items()
        }
        runs = _compare(plan, hosts)
        loads = {mode: load_s for mode, (_, _, load_s) in hosts.items()}
        peak = memory.peak_gib()
    single, batched = runs["single"], runs["batched"]
    most = str(plan.streams[-1])
    ratios = [
        after / before
        for before, after in zip(
            single[most]["throughputs"], batched[most]["throughputs"], strict=True
        )
    ]
    later = batched["1"]["first_p50_s"] - single["1"]["first_p50_s"]
    return {
        **model.facts(min(loads.values()), peak),
        "runs": runs,
        "throughput_ratio": statistics.median(ratios),
        "throughput_ratio_rounds": ratios,
        "first_audio_later_s": later,
        "patience_s": PATIENCE_MS / 1000,
    }


def xtts(plan: Plan, folder: Path) -> dict[str, Any]:
    """XTTS: one stream after the other has the model, part by part."""
    from tts_service.engines import REGISTRY
    from tts_service.engines.xtts.engine import XttsEngine
    from tts_service.voices.voice_cache import open_voice_cache

    require(REGISTRY, "xtts")
    model = _tiny_xtts(folder) if plan.tiny else _real_xtts(folder)
    memory = device.Memory(plan.device)
    settings = _settings(plan, model, voice_cache_url="none", voicemesh_home=folder)
    with (
        given(model),
        hosted(lambda: XttsEngine(settings, open_voice_cache(settings))) as hosting,
    ):
        # Minutes a round at 16 streams, so the engine's own warm-up has to do.
        few = replace(plan, rounds=max(1, plan.rounds // 2), requests=1)
        runs = _compare(few, {"single": hosting}, pieces=1, uncounted=0)
        peak = memory.peak_gib()
    return {**model.facts(hosting[2], peak), "runs": runs}


def _compare(
    plan: Plan, hosts: dict[str, tuple[Any, Any, float]], *, pieces: int = 3, uncounted: int = 1
) -> dict[str, dict[str, Any]]:
    """Rounds of all modes in turn, so that what disturbs one disturbs the others."""
    found: dict[str, dict[str, Any]] = {mode: {} for mode in hosts}
    for streams in plan.streams:
        loads = {mode: Load() for mode in hosts}
        sizes: dict[str, list[float]] = {mode: [] for mode in hosts}
        for number in range(-uncounted, plan.rounds):
            for mode, (host, engine, _) in hosts.items():
                batches = Batches(engine.spec.name)

                def ask(client: int, turn: int, host: Any = host, engine: Any = engine) -> Answer:
                    return _speak(host, engine, texts(plan, client, turn)[-pieces:])

                run(loads[mode] if number >= 0 else Load(), streams, plan.requests, ask)
                if number >= 0 and (mean := batches.mean()) is not None:
                    sizes[mode].append(mean)
        for mode, load in loads.items():
            found[mode][str(streams)] = {
                **load.summary(),
                "throughputs": load.throughputs(),
                "mean_batch": statistics.fmean(sizes[mode]) if sizes[mode] else None,
            }
    return found


def _speak(host: Any, engine: Any, spoken: tuple[str, ...]) -> Answer:
    began = time.perf_counter()
    first_s = 0.0
    samples = 0
    with host.lease(engine):
        stream = engine.synthesize(request(engine, *spoken))
        try:
            for chunk in stream:
                first_s = first_s or time.perf_counter() - began
                samples += len(chunk)
        finally:
            stream.close()
    return Answer(first_s, time.perf_counter() - began, samples / stream.format.sample_rate)


def _settings(plan: Plan, model: Model, **more: Any) -> Any:
    from tts_service.settings import TtsSettings

    values = {**model.settings, **ROOMY, "tts_device": plan.device, **more}
    return TtsSettings(_env_file=None, batch_patience_ms=PATIENCE_MS, **values)


def _real_nemo(folder: Path) -> Model:
    from tests.bench.gpu import real_nemo

    return real_nemo.speech(folder)


def _tiny_nemo(folder: Path) -> Model:
    from tests.engines import tiny_nemo

    # Little sound: a processor is kept busy by its convolutions, where a GPU waits for work.
    spectrogram = tiny_nemo.fastpitch(folder / "fastpitch.nemo", frames=(1, 1))
    settings = {
        "nemo_tts_spectrogram": str(spectrogram),
        "nemo_tts_vocoder": str(tiny_nemo.hifigan(folder / "hifigan.nemo", channels=16)),
    }
    length = "FastPitch says every character in one frame of 11.6 ms"
    return Model(settings, {}, length, weights="archives")


def _real_xtts(folder: Path) -> Model:
    from tests.bench.gpu import real_xtts

    return real_xtts.speech(folder)


def _tiny_xtts(folder: Path) -> Model:
    from tests.engines import tiny_xtts

    settings = {"xtts_model": str(tiny_xtts.build(folder / "xtts", longest_tokens=24))}
    return Model(settings, {}, "XTTS says 21 tokens for each text", weights="folder")
