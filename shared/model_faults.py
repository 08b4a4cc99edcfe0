"""What goes wrong inside a model library, as errors of the mesh."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from shared.device import free_cached_memory, is_out_of_memory
from shared.errors import EngineFailure

log = logging.getLogger(__name__)


class OutOfMemory(Exception):
    """The device had no room for what a model was given."""


@contextmanager
def noticing_full_memory(device: str) -> Iterator[None]:
    """Turn the block's out-of-memory, in whatever words, into :class:`OutOfMemory`.

    What torch keeps of ``device`` is given back first, so that something smaller fits.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        free_cached_memory(device)
        raise OutOfMemory from error


def model_failure(engine: str, error: BaseException, on: str = "this text") -> EngineFailure:
    """The error for a caller for whom a model failed ``on`` something; logs where.

    The message of ``error`` goes nowhere: it may quote what the model was given.
    """
    log.error(
        "engine failed",
        extra={
            "engine": engine,
            "error": type(error).__name__,
            "frames": "".join(traceback.format_tb(error.__traceback__)),
        },
    )
    return EngineFailure(f"{engine}: the model failed on {on}")
