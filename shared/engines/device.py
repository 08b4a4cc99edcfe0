"""Parse and check the device setting (auto, cpu, cuda, cuda:1)."""

from __future__ import annotations

import importlib
from typing import Any

from shared.core.errors import NotReady

_LONGEST_LINE = 200


def resolve_device(wanted: str, *, gpus: int, why_none: str = "no GPU is visible") -> str:
    """Resolve ``auto``, ``cpu``, ``cuda`` or ``cuda:1`` to ``cpu`` or ``cuda:N``.

    ``auto`` selects the first GPU if there is one. ``/readyz`` and the metrics show the selected
    device.

    Args:
        wanted: the configured value.
        gpus: number of GPUs that the model library can use.
        why_none: why there are no GPUs, for the error message.

    Raises:
        NotReady: the value is invalid, or a requested GPU is not usable; the message says why.
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
    """Resolve a device setting as :func:`resolve_device` does, for the GPUs that torch can use.

    Raises:
        NotReady: the value is invalid, or a requested GPU is not usable; the message says why.
    """
    # Imported by name so that `shared` can be imported and type-checked without torch.
    torch: Any = importlib.import_module("torch")
    if torch.cuda.is_available():
        return resolve_device(wanted, gpus=torch.cuda.device_count())
    return resolve_device(wanted, gpus=0, why_none=_why_no_gpu(torch))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of a model library means that the device memory is full.

    torch has a class for it (``torch.OutOfMemoryError``). CTranslate2 raises a ``RuntimeError``
    with the words "out of memory"; cuBLAS, cuDNN and cuFFT report a status ``…_ALLOC_FAILED``.
    """
    if type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "alloc_failed" in text)


def free_cached_memory(device: str) -> None:
    """Release torch's cached blocks after an out-of-memory error, so that a smaller batch fits."""
    if device.startswith("cuda"):
        importlib.import_module("torch").cuda.empty_cache()


def _why_no_gpu(torch: Any) -> str:
    if getattr(torch.version, "cuda", None) is None:
        return "this torch is built without CUDA"
    try:
        torch.cuda.init()
    except Exception as error:
        # Only this call reports a driver that is missing or too old.
        return first_line(error)
    return "no GPU is visible"


def first_line(error: BaseException) -> str:
    """Return the first line of a library's error message, for users.

    Use it only while a model is loaded, when the message cannot contain a client's text.
    """
    lines = str(error).strip().splitlines()
    return lines[0][:_LONGEST_LINE] if lines else type(error).__name__
