"""Detect a fatal CUDA error and remember it for the whole process.

After a device-side assertion or an illegal access, every later CUDA call fails until the process is
replaced ("sticky" errors: CUDA Runtime API, cudaErrorAssert). Without this check the service would
report that it is ready and fail every request.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

_SIGNS = ("cuda error", "cuda failed with error", "cublas_status", "cudnn_status", "cufft_")
"""Phrases in errors of torch, CTranslate2 and NVIDIA's libraries, in lower case."""

_reason = ""
_when_lost: list[Callable[[], None]] = []


def reason() -> str:
    """Return why the process has lost its GPU; empty if it has not."""
    return _reason


def on_lost(call: Callable[[], None]) -> None:
    """Register ``call`` to run once when the GPU is lost.

    The owner of the process uses this to replace the process.
    """
    _when_lost.append(call)


def notice(error: BaseException) -> bool:
    """Return whether the process has lost its GPU; check ``error`` and log the first loss."""
    global _reason  # noqa: PLW0603 - it is the process that has lost it
    if _reason or not (_is_of_the_gpu(error) and _is_lost_now()):
        return bool(_reason)
    _reason = "a fault took the GPU from this process, which has to be replaced"
    log.critical(_reason, extra={"error": type(error).__name__})
    for call in _when_lost:
        call()
    return True


def _is_of_the_gpu(error: BaseException) -> bool:
    text = str(error).lower()
    return type(error).__name__ == "AcceleratorError" or (
        isinstance(error, RuntimeError) and any(sign in text for sign in _SIGNS)
    )


def _is_lost_now() -> bool:
    """Check with torch, if it is in use, whether the error persists.

    A transient error fails only one request.
    """
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return True
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False
