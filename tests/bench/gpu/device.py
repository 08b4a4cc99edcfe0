"""The GPU: what it is, how much of its memory a model takes, and waiting for it."""

from __future__ import annotations

import gc
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_GIB = 1 << 30
_PACKAGES = (
    *("torch", "nemo_toolkit", "coqui-tts", "transformers", "faster-whisper", "ctranslate2"),
    *("nvidia-cublas-cu12", "nvidia-cudnn-cu12"),
)


def versions() -> dict[str, str]:
    """Of the libraries that do the work; without those that are not installed."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe(device: str) -> dict[str, Any]:
    """Name, memory and CUDA version of ``cuda:N``; the bare name of a processor."""
    if device == "cpu":
        return {"name": "none (CPU)"}
    import torch

    properties = torch.cuda.get_device_properties(device)
    return {
        "name": properties.name,
        "memory_gib": properties.total_memory / _GIB,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "cuda": torch.version.cuda,
        "driver_memory_in_use_gib": _used(device) / _GIB,
    }


def visible() -> str:
    """``cuda:0``, or nothing where torch sees no GPU."""
    import torch

    return "cuda:0" if torch.cuda.is_available() else ""


def use_one_thread() -> None:
    """Let torch compute on the thread that calls it: threads that share a processor with others
    wait for each other longer than they work."""
    import torch

    torch.set_num_threads(1)


def synchronize(device: str) -> None:
    """Wait until the GPU has done what it was given."""
    if device != "cpu":
        import torch

        torch.cuda.synchronize(device)


class Memory:
    """GPU memory taken since this object was made, of all libraries in this process."""

    def __init__(self, device: str) -> None:
        self._device = device
        if device != "cpu":
            import torch

            free()
            torch.cuda.reset_peak_memory_stats(device)
            self._before = _used(device)

    def peak_gib(self) -> float | None:
        """The larger of torch's own peak and what the device has lost since; None on a CPU.

        Libraries other than torch report no peak; they keep what they once took.
        """
        if self._device == "cpu":
            return None
        import torch

        own = torch.cuda.max_memory_allocated(self._device)
        return max(own, _used(self._device) - self._before) / _GIB


def free() -> None:
    """Give back what nobody refers to any more."""
    gc.collect()
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _used(device: str) -> int:
    import torch

    left, total = torch.cuda.mem_get_info(device)
    return int(total - left)
