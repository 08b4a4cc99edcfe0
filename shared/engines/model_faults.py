"""What goes wrong inside a model library, as errors of the mesh."""

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
    """The device had no room for what a model was given."""


@contextmanager
def out_of_memory_as_error(device: str) -> Iterator[None]:
    """Turn the block's out-of-memory, in whatever words, into :class:`OutOfMemory`.

    What torch keeps of ``device`` is given back first, so that something smaller fits.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        # The frames of the pass that failed hold its tensors, and the error holds the frames.
        traceback.clear_frames(error.__traceback__)
    else:
        return
    free_cached_memory(device)
    raise OutOfMemory


@contextmanager
def as_mesh_errors(engine: str, device: str, on: str = "this text") -> Iterator[None]:
    """Turn what a model library raises in the block into errors of the mesh.

    Args:
        engine: its name.
        device: where it runs.
        on: what the model was given, in general words.

    Raises:
        Overloaded: the device is full.
        EngineFailure: anything else; see :func:`model_failure`.
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
    """The error for a caller for whom a model failed ``on`` something; logs where.

    The message of ``error`` goes into no log and no answer: it may quote what the model was given.
    The error returned has it as its cause, for whoever knows that nothing was given yet. A GPU that
    is lost is noticed.
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
    # Without its frames, which may hold a batch's tensors.
    failure.__cause__ = error.with_traceback(None)
    return failure
