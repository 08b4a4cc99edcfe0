"""Load the engines of one service in the background and control access to them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from shared.core.errors import MeshError, NotReady
from shared.core.metrics import ENGINE_INFO, ENGINE_LOAD_SECONDS, ENGINE_READY
from shared.engines import lost_device
from shared.engines.admission import Admission, Lease
from shared.engines.device import first_line
from shared.engines.gpu import Gpu, find_gpu
from shared.engines.registry import EngineSpec

log = logging.getLogger(__name__)


class Engine(Protocol):
    """The engine interface that a host requires; each service's base class adds its own methods."""

    @property
    def spec(self) -> EngineSpec:
        """Declared capabilities; available before :meth:`load`."""

    @property
    def device(self) -> str:
        """The device of the model: ``cpu``, ``cuda:0``, ``remote``; known after :meth:`load`."""

    def load(self) -> None:
        """Import the model library and load the weights; blocks."""

    def warm_up(self) -> None:
        """Run one real inference; raise if the engine would fail a request."""

    def close(self) -> None:
        """Free the model."""


E = TypeVar("E", bound=Engine)


@dataclass(slots=True)
class _Slot(Generic[E]):
    name: str
    build: Callable[[], E]
    engine: E | None = None
    admission: Admission | None = None
    state: str = "loading"
    reason: str = ""
    load_s: float = 0.0
    placement: dict[str, str] = field(default_factory=dict)
    gpu: Gpu | None = None

    def now(self) -> tuple[str, str]:
        """Return state and reason; an engine whose GPU was lost since loading has failed."""
        on_gpu = self.engine is not None and self.engine.device.startswith("cuda")
        if self.state == "ready" and on_gpu and (lost := lost_device.reason()):
            return "failed", lost
        return self.state, self.reason


class EngineHost(Generic[E]):
    """An ordered list of engines, loaded in the background and used through bounded queues.

    An engine that fails to load is listed in :meth:`status` with the reason. It is tried again
    every ``retry_s`` seconds, so that a model prepared later is loaded without a restart.

    Args:
        builders: name and builder of each engine, in order of preference.
        queue_limit: maximum number of callers waiting for one engine.
        queue_timeout_s: longest wait, seconds.
        self_test: tests a loaded engine with a typical request; an error keeps the engine from
            becoming ready.
        retry_s: pause between attempts to load failed engines, seconds.
    """

    def __init__(
        self,
        builders: Sequence[tuple[str, Callable[[], E]]],
        *,
        queue_limit: int,
        queue_timeout_s: float,
        self_test: Callable[[E], None] | None = None,
        retry_s: float = 15.0,
    ) -> None:
        if not builders:
            raise ValueError("a host needs at least one engine")
        self._slots = [_Slot(name, build) for name, build in builders]
        for slot in self._slots:
            ready = partial(_is_ready, slot)
            ENGINE_READY.labels(engine=slot.name).set_function(ready)
        self._queue_limit = queue_limit
        self._queue_timeout_s = queue_timeout_s
        self._self_test = self_test
        self._retry_s = retry_s
        self._stopped = threading.Event()
        self._settled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine-loader", daemon=True)

    def start(self) -> None:
        """Start loading in the background."""
        self._thread.start()

    def wait_settled(self, timeout_s: float) -> bool:
        """Wait until every engine was tried once; return False after a timeout."""
        return self._settled.wait(timeout_s)

    def close(self) -> None:
        """Stop loading and free every engine."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        for slot in self._slots:
            if slot.engine is not None:
                slot.engine.close()
                slot.engine = None
                slot.state = "closed"

    def is_ready(self) -> bool:
        """Return whether every engine was tried and at least one is ready."""
        return self._settled.is_set() and any(slot.now()[0] == "ready" for slot in self._slots)

    def status(self) -> dict[str, Any]:
        """Return the state of each engine for ``/readyz``.

        The format is ``{name: {state, reason?, load_seconds?, model?, device?, gpu?,
        gpu_memory_used_bytes?, gpu_memory_total_bytes?, gpu_utilisation?}}``.
        """
        report: dict[str, Any] = {}
        for slot in self._slots:
            state, reason = slot.now()
            entry: dict[str, Any] = {"state": state}
            if reason:
                entry["reason"] = reason
            if state == "ready":
                entry |= {"load_seconds": round(slot.load_s, 3), **slot.placement}
                entry |= slot.gpu.figures() if slot.gpu is not None else {}
            report[slot.name] = entry
        return report

    def engines(self) -> list[E]:
        """Return the engines that are ready, in the configured order.

        Raises:
            NotReady: no engine is ready; the message gives the reason for each.
        """
        ready = [s.engine for s in self._slots if s.now()[0] == "ready" and s.engine is not None]
        if not ready:
            reasons = "; ".join(f"{s.name}: {s.now()[1] or s.now()[0]}" for s in self._slots)
            raise NotReady(f"no engine is ready ({reasons})", details={"engines": self.status()})
        return ready

    def engine(self, name: str) -> E:
        """Return the engine called ``name``.

        Raises:
            NotReady: it is not ready, or not any more.
        """
        for engine in self.engines():
            if engine.spec.name == name:
                return engine
        raise NotReady(f"engine '{name}' is not ready", details={"engines": self.status()})

    def lease(self, engine: E) -> Lease:
        """Wait for the right to use ``engine`` and return a lease for it.

        Hold the lease until the last byte of the answer is produced.

        Raises:
            Overloaded: the engine's queue is full, or the wait timed out.
            ClientGone: the client disconnected while waiting.
            NotReady: the engine is not loaded.
        """
        for slot in self._slots:
            if slot.engine is engine and slot.admission is not None:
                return slot.admission.acquire()
        raise NotReady(f"engine '{engine.spec.name}' is not loaded")

    def _run(self) -> None:
        while not self._stopped.is_set():
            for slot in self._slots:
                if slot.state != "ready" and not self._stopped.is_set():
                    self._load(slot)
            self._settled.set()
            if all(slot.state == "ready" for slot in self._slots):
                return
            self._stopped.wait(self._retry_s)

    def _load(self, slot: _Slot[E]) -> None:
        started = time.monotonic()
        engine: E | None = None
        try:
            engine = slot.build()
            engine.load()
            engine.warm_up()
            if self._self_test is not None:
                self._self_test(engine)
            slot.placement, slot.gpu = _placement(engine)
        except Exception as error:
            if engine is not None:
                # Memory held by the failed engine would otherwise be allocated twice at the next
                # attempt.
                _close_failed(engine)
            reason = _reason(error)
            if slot.reason != reason:
                # Log only changes, since attempts are repeated.
                log.error(
                    "engine failed to load",
                    extra={"engine": slot.name, "reason": reason},
                    exc_info=not isinstance(error, MeshError),
                )
            slot.state, slot.reason = "failed", reason
            return
        slot.engine = engine
        slot.admission = Admission(
            slot.name,
            concurrency=engine.spec.max_concurrency,
            queue_limit=self._queue_limit,
            queue_timeout_s=self._queue_timeout_s,
        )
        slot.load_s = time.monotonic() - started
        slot.state, slot.reason = "ready", ""
        ENGINE_LOAD_SECONDS.labels(engine=slot.name).set(slot.load_s)
        log.info("engine ready", extra={"engine": slot.name, "seconds": round(slot.load_s, 3)})


def _is_ready(slot: _Slot[Any]) -> float:
    return float(slot.now()[0] == "ready")


def _close_failed(engine: Engine) -> None:
    try:
        engine.close()
    except Exception as error:
        log.warning(
            "engine that failed to load could not be closed",
            extra={"engine": engine.spec.name, "error": type(error).__name__},
        )


def _reason(error: Exception) -> str:
    """Return the reason of a failed start for users.

    It includes the library's own message, which cannot contain a client's text at this point.
    """
    words = error.message if isinstance(error, MeshError) else type(error).__name__
    cause = error.__cause__ if isinstance(error, MeshError) else error
    if cause is None or isinstance(cause, MeshError) or not str(cause).strip():
        return words
    return f"{words}: {first_line(cause)}"


def _placement(engine: Engine) -> tuple[dict[str, str], Gpu | None]:
    """Return model, device and GPU of a loaded engine, and publish them as metrics."""
    device, model = engine.device, engine.spec.model
    ENGINE_INFO.labels(engine=engine.spec.name, model=model, device=device).set(1)
    gpu = find_gpu(device)
    if gpu is not None:
        gpu.publish()
    return {"model": model, "device": device}, gpu
