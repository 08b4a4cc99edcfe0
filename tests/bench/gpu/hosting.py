"""An engine behind the queue that it has in its service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from shared.core.errors import MeshError
from shared.core.metrics import BATCH_SIZE
from shared.engines.engine_host import EngineHost

ROOMY = {"queue_limit": 64, "queue_timeout_s": 600.0}
"""Settings with which nobody is refused: waiting is what is measured."""
_LOAD_S = 1800.0


class Unavailable(Exception):
    """What is asked for cannot be measured here; the message says why."""


def require(registry: Any, name: str) -> None:
    """Raise :class:`Unavailable` where a library of an engine is missing."""
    if missing := registry.missing(name):
        raise Unavailable(f"not installed: {', '.join(missing)}")


@contextmanager
def hosted(build: Callable[[], Any]) -> Iterator[tuple[EngineHost[Any], Any, float]]:
    """The host, its loaded and warmed-up engine, and how long both took, seconds.

    Raises:
        Unavailable: it did not get ready.
    """
    host: EngineHost[Any] = EngineHost([("bench", build)], **ROOMY)
    host.start()
    try:
        if not host.wait_settled(_LOAD_S):
            raise Unavailable(f"not ready within {_LOAD_S:g} s")
        try:
            engine = host.engines()[0]
        except MeshError as error:
            raise Unavailable(error.message) from error
        yield host, engine, host.status()["bench"]["load_seconds"]
    finally:
        host.close()


class Batches:
    """Sizes of an engine's batches since this object was made."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._before = self._now()

    def mean(self) -> float | None:
        """Items a batch; None where none ran."""
        runs, items = (now - then for now, then in zip(self._now(), self._before, strict=True))
        return items / runs if runs else None

    def _now(self) -> tuple[float, float]:
        samples = BATCH_SIZE.labels(engine=self._engine).collect()[0].samples
        values = {sample.name: sample.value for sample in samples}
        return values["voice_batch_size_count"], values["voice_batch_size_sum"]
