"""Which language model answers: the first in the order that can, and never silently another."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.engine_host import EngineHost
from shared.errors import MeshError, NotReady
from shared.metrics import FALLBACKS
from shared.streaming import closing_after, prime
from voice_agent.llm.base import LlmEngine, Message, ReplyOptions

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Passed:
    """An engine that was preferred and could not answer, and why."""

    engine: str
    reason: str


@dataclass(slots=True)
class Reply:
    """A reply being made; close it to stop generation and free the engine's place."""

    engine: str
    pieces: Iterator[str]
    passed: list[Passed]

    def close(self) -> None:
        """Safe to call twice."""
        close = getattr(self.pieces, "close", None)
        if close is not None:
            close()


def begin_reply(
    host: EngineHost[LlmEngine], messages: Sequence[Message], options: ReplyOptions
) -> Reply:
    """Ask the engines in order until one has made its first piece.

    After that piece there is no going back: a later failure is the caller's to report, since part
    of the reply may have been spoken.

    Raises:
        MeshError: the last engine's, or NotReady when none is loaded.
    """
    passed: list[Passed] = []
    failure: MeshError = NotReady("no language model is ready")
    for engine in host.engines():
        name = engine.spec.name
        if reason := engine.unavailable():
            passed.append(Passed(name, reason))
            failure = NotReady(f"{name}: {reason}")
            continue
        try:
            lease = host.lease(engine)
            try:
                pieces = prime(engine.reply(messages, options))
            except BaseException:
                lease.release()
                raise
        except MeshError as error:
            passed.append(Passed(name, error.code))
            failure = error
            continue
        for skipped in passed:
            FALLBACKS.labels(
                **{"from": skipped.engine, "to": name, "reason": skipped.reason.split()[0]}
            ).inc()
        return Reply(name, closing_after(pieces, lease.release), passed)
    raise failure
