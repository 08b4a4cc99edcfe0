"""The processor that a heavy model runs on: chosen in words, checked, never silently another."""

from __future__ import annotations

import importlib
from typing import Any

from shared.core.errors import NotReady

_LONGEST_LINE = 200


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
    if torch.cuda.is_available():
        return resolve_device(wanted, gpus=torch.cuda.device_count())
    return resolve_device(wanted, gpus=0, why_none=_why_no_gpu(torch))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a model library reports that the device is full.

    torch has a class for it (``torch.OutOfMemoryError``); CTranslate2 reports it as a
    ``RuntimeError`` with these words, cuBLAS, cuDNN and cuFFT with a status ``…_ALLOC_FAILED``.
    """
    if type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "alloc_failed" in text)


def free_cached_memory(device: str) -> None:
    """Give torch's cached blocks back after an out-of-memory, so that a smaller batch fits."""
    if device.startswith("cuda"):
        importlib.import_module("torch").cuda.empty_cache()


def _why_no_gpu(torch: Any) -> str:
    if getattr(torch.version, "cuda", None) is None:
        return "this torch is built without CUDA"
    try:
        torch.cuda.init()
    except Exception as error:
        # A driver that is missing or too old is told of here only.
        return first_line(error)
    return "no GPU is visible"


def first_line(error: BaseException) -> str:
    """The beginning of what a library says went wrong, for people.

    Only where nobody's text can be in it: while a model is loaded.
    """
    lines = str(error).strip().splitlines()
    return lines[0][:_LONGEST_LINE] if lines else type(error).__name__
