"""Select the first available language model and record the models that were skipped."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.core.errors import EngineFailure, MeshError, NotReady
from shared.core.metrics import FALLBACKS
from shared.core.streaming import ClosingIterator, close_quietly
from shared.engines.engine_host import EngineHost
from shared.engines.fallback import SkippedEngine
from voice_agent.llm.base import LlmEngine, Message, ReplyOptions

_STATES = ("not reachable", "not loaded", "pulling", "could not pull")
"""Prefixes of the reasons from :meth:`LlmEngine.unavailable`; names and shares may follow."""


class Listener(Protocol):
    """A receiver of a model's first pieces, which checks them for a complete clause."""

    def has_clause(self, piece: str) -> bool:
        """Add a piece and check whether the text has a complete clause."""

    def has_last_clause(self) -> bool:
        """Check whether the remaining text at the end of the reply contains a clause."""


@dataclass(slots=True)
class Reply:
    """A reply in progress; close it to stop generation and release the engine."""

    engine: str
    pieces: ClosingIterator[str]
    skipped: list[SkippedEngine]

    def close(self) -> None:
        """Stop generation and release the engine; safe to call twice."""
        self.pieces.close()


def begin_reply(
    host: EngineHost[LlmEngine],
    messages: Sequence[Message],
    options: ReplyOptions,
    listener: Callable[[], Listener],
) -> Reply:
    """Start a reply with the first engine that generates a speakable clause.

    A model that fails, breaks off or generates no speakable text is skipped and its text is
    dropped. After the first clause there is no fallback: a later error is raised while iterating,
    since part of the reply may have been played already.

    Args:
        host: the models in order of preference.
        messages: the conversation.
        options: limits of the reply.
        listener: creates a receiver for each model's pieces; its exceptions other than MeshError
            are passed on.

    Raises:
        MeshError: the error of the last engine, or NotReady when none is loaded.
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
    """Return a reason as a metric label of low cardinality: an error code or a known prefix."""
    known = next((begin for begin in _STATES if reason.startswith(begin)), reason)
    return known.replace(" ", "_")
