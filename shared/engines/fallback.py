"""Fallback from one engine to the next: which failures cause it, and how header, metric and log
report it."""

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
"""Failures of an engine, which another one may not have. What is wrong with a request is wrong for
every engine, and a full queue at the first one is answered with when to come back."""


@dataclass(frozen=True, slots=True)
class SkippedEngine:
    """An engine that was preferred and did not answer to the end.

    Attributes:
        engine: its name.
        reason: why not: the code of its error, or its state (``loading``, ``not_loaded``).
    """

    engine: str
    reason: str

    def __str__(self) -> str:
        return f"{self.engine}; reason={self.reason}"


class SkippedEngines:
    """The engines that were skipped for one answer, in order.

    Args:
        not_ready: those that were not asked at all.
    """

    def __init__(self, not_ready: Iterable[SkippedEngine] = ()) -> None:
        self._skipped = list(not_ready)
        self._counted = 0

    def add(self, engine: str, fault: MeshError, following: str) -> None:
        """Note, and log, that ``engine`` failed and ``following`` is asked."""
        self._skipped.append(SkippedEngine(engine, fault.code))
        log.warning(
            "engine failed; the next one is asked",
            extra={"engine": engine, "reason": fault.code, "next": following},
        )

    def answered_by(self, engine: str) -> str | None:
        """Count the engines skipped in favour of ``engine`` since the last call.

        Returns:
            the value of ``X-Fallback``; None where nothing was skipped at all.
        """
        for skipped in self._skipped[self._counted :]:
            labels = {"from": skipped.engine, "to": engine, "reason": skipped.reason}
            FALLBACKS.labels(**labels).inc()
        self._counted = len(self._skipped)
        return ", ".join(str(skipped) for skipped in self._skipped) or None


def absent(status: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The part of :meth:`.host.EngineHost.status` about engines that are not ready."""
    return {name: e for name, e in status.items() if e["state"] in ("loading", "failed")}


def engines_not_ready(
    status: Mapping[str, dict[str, Any]], chosen: str, could: Callable[[str], bool]
) -> list[SkippedEngine]:
    """The engines that are preferred to the chosen one and are not ready, with the reasons.

    Args:
        status: of the host, in the order of preference.
        chosen: the engine that is asked first.
        could: whether the engine of a name would do for the request, by what it declares.
    """
    missing = absent(status)
    before = takewhile(lambda name: name != chosen, status)
    return [
        SkippedEngine(name, "loading" if missing[name]["state"] == "loading" else "not_loaded")
        for name in before
        if name in missing and could(name)
    ]
