"""The processor that a heavy model runs on: chosen in words, checked, never silently another."""

from __future__ import annotations

import importlib
import logging
import os
from importlib.util import find_spec
from typing import Any

from shared.errors import NotReady
from shared.metrics import GPU_MEMORY, GPU_MEMORY_TOTAL, GPU_UTILISATION

log = logging.getLogger(__name__)


def resolve_device(wanted: str, *, gpus: int, why_none: str = "no GPU is visible") -> str:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:1`` → ``cpu`` or ``cuda:N``.

    ``auto`` takes a GPU where there is one; which it took is in ``/readyz`` and the metrics.

    Args:
        wanted: as a person configured it.
        gpus: GPUs that the model library can use.
        why_none: for the error message.

    Raises:
        NotReady: a GPU is asked for and is not usable; the message says why.
    """
    name = wanted.strip().lower()
    if name == "cpu":
        return "cpu"
    if name == "auto":
        return "cuda:0" if gpus else "cpu"
    kind, _, number = name.partition(":")
    if kind != "cuda" or not (number.isdecimal() or not number):
        raise NotReady(f"'{wanted[:32]}' is no device: auto, cpu, cuda, cuda:1", code="no_device")
    if not gpus:
        raise NotReady(f"configured for {name}, but {why_none}", code="no_device")
    index = int(number or 0)
    if index >= gpus:
        raise NotReady(f"configured for {name}, but there are {gpus} GPUs", code="no_device")
    return f"cuda:{index}"


def resolve_torch_device(wanted: str) -> str:
    """:func:`resolve_device` with the GPUs that torch can use.

    Raises:
        NotReady: as there.
    """
    # Imported by name: `shared` must be importable, and its types checked, without torch.
    torch: Any = importlib.import_module("torch")
    built = getattr(torch.version, "cuda", None)
    return resolve_device(
        wanted,
        gpus=torch.cuda.device_count() if torch.cuda.is_available() else 0,
        why_none="no GPU is visible" if built else "this torch is built without CUDA",
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a model library reports that the device is full.

    torch has a class for it (``torch.OutOfMemoryError``); cuBLAS, cuDNN and CTranslate2 report it
    as a ``RuntimeError`` with these words.
    """
    if type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "cublas_status_alloc_failed" in text
    )


def free_cached_memory(device: str) -> None:
    """Give torch's cached blocks back after an out-of-memory, so that a smaller batch fits."""
    if device.startswith("cuda"):
        importlib.import_module("torch").cuda.empty_cache()


def gpu_name(device: str) -> str | None:
    """The GPU's marketing name; None for a processor or where NVML does not know."""
    handle = _handle(device)
    if handle is None:
        return None
    name = _nvml().nvmlDeviceGetName(handle)
    return name.decode() if isinstance(name, bytes) else str(name)


def publish_gpu_metrics(device: str) -> None:
    """Let ``/metrics`` read memory and utilisation of ``device`` at every scrape (NVML)."""
    handle = _handle(device)
    if handle is None:
        return
    nvml = _nvml()
    GPU_MEMORY.labels(device=device).set_function(
        lambda: float(nvml.nvmlDeviceGetMemoryInfo(handle).used)
    )
    GPU_MEMORY_TOTAL.labels(device=device).set(float(nvml.nvmlDeviceGetMemoryInfo(handle).total))
    GPU_UTILISATION.labels(device=device).set_function(
        lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
    )


def _nvml() -> Any:
    return importlib.import_module("pynvml")


def _handle(device: str) -> Any:
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return None
    if find_spec("pynvml") is None:
        log.warning("no GPU metrics: pip install nvidia-ml-py", extra={"device": device})
        return None
    nvml = _nvml()
    try:
        nvml.nvmlInit()
        # CUDA numbers the GPUs that this variable leaves visible; NVML numbers all.
        visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        which = visible[int(number or 0)].strip() if visible else number or "0"
        if which.isdecimal():
            return nvml.nvmlDeviceGetHandleByIndex(int(which))
        return nvml.nvmlDeviceGetHandleByUUID(which)
    except (nvml.NVMLError, IndexError) as error:
        log.warning("no GPU metrics", extra={"device": device, "error": type(error).__name__})
        return None
