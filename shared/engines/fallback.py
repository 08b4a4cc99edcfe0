"""Fallback from one engine to the next, with its header, metric and log entries."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from shared.core.errors import (
    EngineFailure,
    MeshError,
    NotReady,
    RateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from shared.core.metrics import FALLBACKS

log = logging.getLogger(__name__)

HEADER = "X-Fallback"

FALLS_BACK = (EngineFailure, UpstreamUnavailable, UpstreamTimeout, RateLimited, NotReady)
"""Engine errors that another engine may not have. An invalid request is invalid for every engine,
and a full queue of the first engine is answered with ``Retry-After``.
"""


@dataclass(frozen=True, slots=True)
class SkippedEngine:
    """A preferred engine that did not produce the complete answer.

    Attributes:
        engine: its name.
        reason: its error code, or its state (``loading``, ``not_loaded``).
    """

    engine: str
    reason: str

    def __str__(self) -> str:
        return f"{self.engine}; reason={self.reason}"


class SkippedEngines:
    """The engines that were skipped for one answer, in order.

    Args:
        not_ready: preferred engines that were not ready and therefore not tried.
    """

    def __init__(self, not_ready: Iterable[SkippedEngine] = ()) -> None:
        self._skipped = list(not_ready)
        self._counted = 0

    def add(self, engine: str, fault: MeshError, following: str) -> None:
        """Record and log that ``engine`` failed and that ``following`` is tried next."""
        self._skipped.append(SkippedEngine(engine, fault.code))
        log.warning(
            "engine failed; the next one is asked",
            extra={"engine": engine, "reason": fault.code, "next": following},
        )

    def answered_by(self, engine: str) -> str | None:
        """Count the engines skipped in favour of ``engine`` since the last call.

        Returns:
            The value of ``X-Fallback``; None if no engine was skipped.
        """
        for skipped in self._skipped[self._counted :]:
            labels = {"from": skipped.engine, "to": engine, "reason": skipped.reason}
            FALLBACKS.labels(**labels).inc()
        self._counted = len(self._skipped)
        return ", ".join(str(skipped) for skipped in self._skipped) or None


def absent(status: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the entries of :meth:`.host.EngineHost.status` for engines that are not ready."""
    return {name: e for name, e in status.items() if e["state"] in ("loading", "failed")}


def engines_not_ready(
    status: Mapping[str, dict[str, Any]], chosen: str, could: Callable[[str], bool]
) -> list[SkippedEngine]:
    """Return the preferred engines that are not ready, with the reasons.

    Args:
        status: status of the host, in order of preference.
        chosen: the engine that is tried first.
        could: returns whether the named engine could serve the request, by its declared
            capabilities.
    """
    missing = absent(status)
    before = takewhile(lambda name: name != chosen, status)
    return [
        SkippedEngine(name, "loading" if missing[name]["state"] == "loading" else "not_loaded")
        for name in before
        if name in missing and could(name)
    ]
