"""Which language model answers: the first in the order that can, and never silently another."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.core.errors import EngineFailure, MeshError, NotReady
from shared.core.metrics import FALLBACKS
from shared.core.streaming import ClosingIterator, close_quietly
from shared.engines.fallback import SkippedEngine
from shared.engines.host import EngineHost
from voice_agent.llm.base import LlmEngine, Message, ReplyOptions

_STATES = ("not reachable", "not loaded", "pulling", "could not pull")
"""How what :meth:`LlmEngine.unavailable` says begins; model names and shares may follow."""


class Listener(Protocol):
    """Gets the pieces that a model writes before it is decided that this model answers."""

    def has_clause(self, piece: str) -> bool:
        """Whether there is a clause to speak now."""

    def has_last_clause(self) -> bool:
        """Whether what was written, which is all there is, holds a clause to speak."""


@dataclass(slots=True)
class Reply:
    """A reply being made; close it to stop generation and free the engine's place."""

    engine: str
    pieces: ClosingIterator[str]
    skipped: list[SkippedEngine]

    def close(self) -> None:
        """Safe to call twice."""
        self.pieces.close()


def begin_reply(
    host: EngineHost[LlmEngine],
    messages: Sequence[Message],
    options: ReplyOptions,
    listener: Callable[[], Listener],
) -> Reply:
    """Ask the engines in order until one has written something that can be spoken.

    From there on there is no going back: a later failure is the caller's to report, since part of
    the reply may have been heard. Before it, a model that fails, breaks off or writes nothing is
    skipped, and what it wrote is dropped.

    Args:
        host: the models in their order.
        messages: the conversation.
        options: limits of the reply.
        listener: makes, for each model, what is told its pieces; whatever it raises is passed on.

    Raises:
        MeshError: the last engine's, or NotReady when none is loaded.
    """
    skipped: list[SkippedEngine] = []
    failure: MeshError = NotReady("no language model is ready")
    for engine in host.engines():
        name = engine.spec.name
        if reason := engine.unavailable():
            skipped.append(SkippedEngine(name, reason))
            failure = NotReady(f"{name}: {reason}")
            continue
        try:
            pieces = _opened(host, engine, messages, options, listener())
        except MeshError as error:
            skipped.append(SkippedEngine(name, error.code))
            failure = error
            continue
        for each in skipped:
            FALLBACKS.labels(
                **{"from": each.engine, "to": name, "reason": _label(each.reason)}
            ).inc()
        return Reply(name, pieces, skipped)
    raise failure


def _opened(
    host: EngineHost[LlmEngine],
    engine: LlmEngine,
    messages: Sequence[Message],
    options: ReplyOptions,
    listener: Listener,
) -> ClosingIterator[str]:
    """An engine's pieces from the first on, once they hold something to speak."""
    lease = host.lease(engine)
    pieces: Iterator[str] = iter(())
    try:
        pieces = engine.reply(messages, options)
        held = _up_to_a_clause(pieces, listener)
    except BaseException:
        close_quietly(pieces)
        lease.release()
        raise

    def cleanup() -> None:
        try:
            close_quietly(pieces)
        finally:
            lease.release()

    return ClosingIterator(itertools.chain(held, pieces), cleanup)


def _up_to_a_clause(pieces: Iterator[str], listener: Listener) -> list[str]:
    held: list[str] = []
    for piece in pieces:
        held.append(piece)
        if listener.has_clause(piece):
            return held
    if not listener.has_last_clause():
        raise EngineFailure("the language model wrote nothing to speak", code="empty_reply")
    return held


def _label(reason: str) -> str:
    """A reason as a metric's label, of which there are few: an error code, or a known beginning."""
    known = next((begin for begin in _STATES if reason.startswith(begin)), reason)
    return known.replace(" ", "_")
