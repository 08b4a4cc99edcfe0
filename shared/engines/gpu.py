"""Read GPU name, memory and utilisation from NVML for ``/readyz`` and ``/metrics``.

A driver may not report every value (utilisation of a MIG slice, memory shared with the CPU) and may
fail at any time. Missing values are omitted; nothing else is affected.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from shared.core.metrics import GPU_MEMORY, GPU_MEMORY_TOTAL, GPU_UTILISATION

log = logging.getLogger(__name__)


class Gpu:
    """One GPU, queried through NVML.

    Args:
        device: CUDA's name of the device, ``cuda:1``.
        nvml: the initialised ``pynvml`` module.
        handle: NVML's handle of the GPU.
    """

    def __init__(self, device: str, nvml: Any, handle: Any) -> None:
        self._device = device
        self._nvml = nvml
        self._handle = handle

    def figures(self) -> dict[str, str | int | float]:
        """Return the current values that the driver reports.

        The keys are ``{gpu, gpu_memory_used_bytes, gpu_memory_total_bytes, gpu_utilisation}``.
        """
        found = {
            "gpu": self._name(),
            "gpu_memory_used_bytes": self._used(),
            "gpu_memory_total_bytes": self._total(),
            "gpu_utilisation": self._utilisation(),
        }
        return {name: value for name, value in found.items() if value is not None}

    def publish(self) -> None:
        """Register gauges that read memory and utilisation at every scrape of ``/metrics``."""
        for gauge, read in (
            (GPU_MEMORY, self._used),
            (GPU_MEMORY_TOTAL, self._total),
            (GPU_UTILISATION, self._utilisation),
        ):
            if read() is not None:
                gauge.labels(device=self._device).set_function(_or_nan(read))

    def _name(self) -> str | None:
        name = self._asked(self._nvml.nvmlDeviceGetName)
        return name.decode() if isinstance(name, bytes) else name

    def _used(self) -> int | None:
        memory = self._asked(self._nvml.nvmlDeviceGetMemoryInfo)
        return None if memory is None else int(memory.used)

    def _total(self) -> int | None:
        memory = self._asked(self._nvml.nvmlDeviceGetMemoryInfo)
        return None if memory is None else int(memory.total)

    def _utilisation(self) -> float | None:
        rates = self._asked(self._nvml.nvmlDeviceGetUtilizationRates)
        return None if rates is None else rates.gpu / 100

    def _asked(self, call: Callable[[Any], Any]) -> Any:
        try:
            return call(self._handle)
        except self._nvml.NVMLError:
            return None


def find_gpu(device: str) -> Gpu | None:
    """Return the GPU with CUDA's name ``device``; None for a CPU or if NVML cannot find the GPU.

    A GPU that NVML cannot find is logged.
    """
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return None
    if find_spec("pynvml") is None:
        log.warning("no GPU metrics: pip install nvidia-ml-py", extra={"device": device})
        return None
    nvml: Any = importlib.import_module("pynvml")
    try:
        nvml.nvmlInit()
        # CUDA numbers only the GPUs in CUDA_VISIBLE_DEVICES; NVML numbers all of them.
        visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        which = visible[int(number or 0)].strip() if visible else number or "0"
        if which.isdecimal():
            return Gpu(device, nvml, nvml.nvmlDeviceGetHandleByIndex(int(which)))
        return Gpu(device, nvml, nvml.nvmlDeviceGetHandleByUUID(which))
    except (nvml.NVMLError, IndexError) as error:
        log.warning("no GPU metrics", extra={"device": device, "error": type(error).__name__})
        return None


def _or_nan(read: Callable[[], int | float | None]) -> Callable[[], float]:
    """Wrap ``read`` for a gauge: return NaN instead of None.

    A gauge function must always return a number; an exception would lose all metrics of the
    process.
    """

    def value() -> float:
        found = read()
        return math.nan if found is None else float(found)

    return value
