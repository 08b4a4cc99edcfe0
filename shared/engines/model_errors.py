"""Convert errors of model libraries to errors of the mesh."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from shared.core.errors import EngineFailure, MeshError, Overloaded
from shared.engines import lost_device
from shared.engines.device import free_cached_memory, is_out_of_memory

log = logging.getLogger(__name__)


class OutOfMemory(Exception):
    """The device memory was too small for the model's input."""


@contextmanager
def out_of_memory_as_error(device: str) -> Iterator[None]:
    """Convert any out-of-memory error in the block to :class:`OutOfMemory`.

    Torch's cached memory on ``device`` is released first, so that a smaller input fits.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        # The error refers to the frames of the failed pass, which hold its tensors.
        traceback.clear_frames(error.__traceback__)
    else:
        return
    free_cached_memory(device)
    raise OutOfMemory


@contextmanager
def as_mesh_errors(engine: str, device: str, on: str = "this text") -> Iterator[None]:
    """Convert errors that a model library raises in the block to errors of the mesh.

    Args:
        engine: its name.
        device: the device it runs on.
        on: the kind of input, in general words.

    Raises:
        Overloaded: the device memory is full.
        EngineFailure: any other error; see :func:`model_failure`.
    """
    try:
        with out_of_memory_as_error(device):
            yield
    except OutOfMemory as error:
        raise Overloaded(f"{engine}: no memory for this on the device") from error
    except MeshError:
        raise
    except Exception as error:
        raise model_failure(engine, error, on) from error


def model_failure(engine: str, error: BaseException, on: str = "this text") -> EngineFailure:
    """Return the client's error for a model that failed, and log the stack frames.

    The message of ``error`` is neither logged nor returned, because it may quote the model's input.
    ``error`` becomes the cause of the returned error, for callers that know that the model had no
    input yet. The loss of a GPU is detected.
    """
    lost_device.notice(error)
    log.error(
        "engine failed",
        extra={
            "engine": engine,
            "error": type(error).__name__,
            "frames": "".join(traceback.format_tb(error.__traceback__)),
        },
    )
    failure = EngineFailure(f"{engine}: the model failed on {on}")
    # Drop the traceback, whose frames may hold a batch's tensors.
    failure.__cause__ = error.with_traceback(None)
    return failure
