"""Recognisers under load: seconds of audio a second by batch size, and what a caller waits."""

from __future__ import annotations

import ctypes
import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from shared.audio.pcm import Float32
from tests.bench.gpu import device
from tests.bench.gpu.clients import Answer, Load, run
from tests.bench.gpu.hosting import ROOMY, Batches, Unavailable, hosted, require
from tests.bench.gpu.models import Model, given
from tests.bench.gpu.workload import RATE, Plan, babble


def parakeet(name: str, plan: Plan, folder: Path) -> dict[str, Any]:
    """The model alone by batch size, and as served: with batches and one at a time."""
    from stt_service.engines import REGISTRY
    from stt_service.engines.parakeet import ParakeetEngine

    require(REGISTRY, "parakeet")
    model = _tiny_parakeet(folder) if plan.tiny else _real_parakeet(name, folder)
    memory = device.Memory(plan.device)
    clips = [babble(plan.clip_s, seed) for seed in range(plan.batches[-1])]
    modes = {"single": 1, "batched": plan.batches[-1]}
    with ExitStack() as stack:
        stack.enter_context(given(model))
        hosts = {
            mode: stack.enter_context(
                hosted(
                    lambda items=items: ParakeetEngine(_settings(plan, model, batch_items=items))
                )
            )
            for mode, items in modes.items()
        }
        _, engine, load_s = hosts["batched"]
        alone = {str(n): _alone(plan, engine, clips[:n]) for n in plan.batches}
        served = {
            mode: {str(n): _served(plan, hosting, clips, n) for n in plan.batches}
            for mode, hosting in hosts.items()
        }
        peak = memory.peak_gib()
    return {**model.facts(load_s, peak), "clip_s": plan.clip_s, "model": alone, "served": served}


def whisper(plan: Plan, folder: Path) -> dict[str, Any]:
    """A short recording on the fast path, a long one in batches of passages."""
    from stt_service.engines import REGISTRY
    from stt_service.engines.whisper import WhisperEngine
    from tests.bench.gpu import whisper_shape

    require(REGISTRY, "whisper")
    if plan.device != "cpu":
        _require_cuda_12()
    memory = device.Memory(plan.device)
    shape = whisper_shape.TINY if plan.tiny else whisper_shape.LARGE_V3
    model = whisper_shape.write(shape, folder / "whisper")
    tiny = {"whisper_batch": 4, "threads": 1} if plan.tiny else {}
    settings = _settings(plan, model, **tiny)
    cases = {}
    with hosted(lambda: WhisperEngine(settings)) as (host, engine, load_s):
        for name, seconds in (("10 s", 10.0), ("long", plan.long_s)):
            sound = babble(seconds, 1)
            load = Load()
            written = 0
            for number in range(plan.rounds + 1):
                answer, written = _hear(host, engine, sound)
                if number:
                    load.add([answer], answer.total_s)
            cases[name] = {"audio_s": seconds, "tokens": written, **load.summary()}
        peak = memory.peak_gib()
    return {**model.facts(load_s, peak), "cases": cases}


def _require_cuda_12() -> None:
    """CTranslate2 loads it when it first computes, and fails then."""
    try:
        ctypes.CDLL("libcublas.so.12")
    except OSError as error:
        raise Unavailable(
            "CTranslate2 needs libcublas.so.12 and cuDNN 9: pip install nvidia-cublas-cu12 "
            "nvidia-cudnn-cu12, their folders in LD_LIBRARY_PATH"
        ) from error


def _alone(plan: Plan, engine: Any, clips: list[Float32]) -> dict[str, float]:
    """One batch through the model, without queue and speech detector."""
    times = []
    tokens = 0
    for number in range(plan.rounds + 1):
        device.synchronize(plan.device)
        began = time.perf_counter()
        heard = engine._run(clips)
        device.synchronize(plan.device)
        if number:
            times.append(time.perf_counter() - began)
        tokens = sum(len(one.tokens) for one in heard)
    seconds = sum(len(clip) for clip in clips) / RATE
    return {
        "seconds": statistics.median(times),
        "rtfx": seconds / statistics.median(times),
        "tokens_per_audio_second": tokens / seconds,
    }


def _served(
    plan: Plan, hosting: tuple[Any, Any, float], clips: list[Float32], clients: int
) -> dict[str, Any]:
    host, engine, _ = hosting
    load = Load()
    sizes = []
    for number in range(plan.rounds + 1):
        batches = Batches("parakeet")
        run(
            load if number else Load(),
            clients,
            plan.recordings,
            lambda client, _: _hear(host, engine, clips[client])[0],
        )
        sizes.append(batches.mean() or 0.0)
    return {**load.summary(), "mean_batch": statistics.fmean(sizes[1:])}


def _hear(host: Any, engine: Any, sound: Float32) -> tuple[Answer, int]:
    """What a caller waits, and the tokens that were written."""
    from stt_service.engines.base import Options

    began = time.perf_counter()
    first_s = 0.0
    tokens = 0
    with host.lease(engine):
        found = engine.transcribe([sound], Options(language="en"))
        try:
            for segment in found:
                first_s = first_s or time.perf_counter() - began
                tokens += len(segment.tokens)
        finally:
            found.close()
    if not first_s:
        raise RuntimeError("the recogniser heard nothing")
    return Answer(first_s, time.perf_counter() - began, len(sound) / RATE), tokens


def _settings(plan: Plan, model: Model, **more: Any) -> Any:
    from stt_service.settings import SttSettings

    values = {**model.settings, **ROOMY, "stt_device": plan.device, **more}
    return SttSettings(_env_file=None, **values)


def _real_parakeet(name: str, folder: Path) -> Model:
    from tests.bench.gpu import real_nemo

    return real_nemo.recogniser(name, folder)


def _tiny_parakeet(folder: Path) -> Model:
    from tests.engines import tiny_nemo

    settings = {"parakeet_model": str(tiny_nemo.parakeet(folder / "tiny.nemo", folder / "work"))}
    return Model(settings, {}, "Parakeet emits tokens as its weights have it", weights="archive")
