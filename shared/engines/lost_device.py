"""A GPU that a fault has taken from this process: noticed once, known to all of it.

After a device-side assertion or an illegal access every later call of CUDA fails, until the process
is replaced ("sticky" errors: CUDA Runtime API, cudaErrorAssert). A service that went on would say
that it is ready and fail every request.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

_SIGNS = ("cuda error", "cuda failed with error", "cublas_status", "cudnn_status", "cufft_")
"""Words of torch, CTranslate2 and NVIDIA's libraries, in lower case."""

_reason = ""
_when_lost: list[Callable[[], None]] = []


def reason() -> str:
    """Why the GPU is lost to this process; empty while it is not."""
    return _reason


def when_lost(call: Callable[[], None]) -> None:
    """Have ``call`` called, once, when the GPU is lost: whoever runs the process replaces it."""
    _when_lost.append(call)


def notice(error: BaseException) -> bool:
    """Whether ``error`` says that the GPU is lost, which is remembered and logged then."""
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
    """Ask torch, where it is the one at work: an error that does not last fails one request."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return True
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False
