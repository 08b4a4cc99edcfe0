"""One answer over several engines: the first that can speaks it, the next one goes on where it
stops. No HTTP."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from shared.audio.pcm import Pcm16, PcmStream
from shared.audio.samples import resampled_pcm
from shared.core.errors import (
    ClientGone,
    InvalidRequest,
    MeshError,
    NotFound,
    TooLarge,
    UnsupportedMedia,
)
from shared.core.streaming import close_quietly
from shared.engines.fallback import FALLS_BACK, HEADER, SkippedEngine, SkippedEngines
from tts_service.engines.base import Piece, SynthesisRequest
from tts_service.sound.joins import LEAD_S
from tts_service.synthesis.choice import Choice

_ABOUT_THE_REQUEST = (InvalidRequest, NotFound, TooLarge, UnsupportedMedia)

_FALSE_START_PAUSE_S = 0.3
"""Silence before a sentence that another engine speaks anew because the first one broke off in it;
about the pause in which people correct themselves."""


@dataclass(slots=True)
class Attempt:
    """An engine at work: its request, and its stream with the first chunk made."""

    request: SynthesisRequest
    stream: PcmStream


class Begin(Protocol):
    """Starts an engine on an answer, or on the ``pieces`` that are left of it."""

    def __call__(self, choice: Choice, pieces: tuple[Piece, ...] | None) -> Attempt:
        """Raises what making the first chunk raised."""


class SpeechChain(Iterator[Pcm16]):
    """The chunks of one answer, by the first engine that works and, where that one fails on the
    way, by the next from the piece that it did not finish.

    Where the headers of the answer are gone by then, :attr:`headers` still change: whoever ends
    the answer with an event can say so, and log and metric do.

    Args:
        begin: starts an engine.
        choices: the engines to ask, best first; at least one.
        skipped: engines that were preferred and are not ready.

    Raises:
        MeshError: no engine gave a first chunk; the failure of the last one.
    """

    def __init__(
        self, begin: Begin, choices: Sequence[Choice], skipped: Sequence[SkippedEngine]
    ) -> None:
        self._begin = begin
        self._choices = deque(choices)
        self._skipped = SkippedEngines(skipped)
        self._pending: list[Pcm16] = []
        self._attempt = self._next_attempt(None, None)
        self._chunks = iter(self._attempt.stream.chunks)
        self.format = self._attempt.stream.format
        self.engine = self._attempt.stream.engine
        self.headers: dict[str, str] = {}
        self._report_skipped()

    def stream(self) -> PcmStream:
        """The answer as it is made."""
        return PcmStream(self.format, self, self.engine, self.headers)

    def whole(self) -> PcmStream:
        """The answer once it is finished, in one voice: an engine that fails on the way is
        replaced from the beginning.

        Raises:
            MeshError: no engine came to the end; the failure of the last one.
        """
        while True:
            try:
                pcm = np.concatenate(list(self._chunks))
            except FALLS_BACK as fault:
                self._attempt = self._replace(fault, None)
                self._chunks = iter(self._attempt.stream.chunks)
                self.headers.clear()
                self._report_skipped()
                continue
            first = self._attempt.stream
            return PcmStream(first.format, iter([pcm]), first.engine, self.headers)

    def __next__(self) -> Pcm16:
        while not self._pending:
            try:
                return next(self._chunks)
            except FALLS_BACK as fault:
                self._continue(fault)
        return self._pending.pop(0)

    def close(self) -> None:
        """Stop the engine at work."""
        self._pending.clear()
        close_quietly(self._chunks)
        # A resampler that was not begun yet does not close what it would have read.
        close_quietly(self._attempt.stream.chunks)

    def _continue(self, fault: MeshError) -> None:
        """Have the next engine speak the piece that failed and all after it."""
        request = self._attempt.request
        at, begun = request.progress.piece, request.progress.begun
        if at is None or not self._choices:
            raise fault
        if begun:
            pause_s = _FALSE_START_PAUSE_S
        else:
            pause_s = request.pieces[at - 1].pause_s / request.speed - LEAD_S if at else 0.0
        self._attempt = self._replace(fault, request.pieces[at:])
        stream = self._attempt.stream
        rate = self.format.sample_rate
        self._chunks = resampled_pcm(iter(stream.chunks), stream.format.sample_rate, rate)
        if pause_s > 0:
            self._pending.append(np.zeros(round(pause_s * rate), np.int16))
        self._report_skipped()
        self.headers["X-Sample-Rate"] = str(rate)

    def _replace(self, fault: MeshError, pieces: tuple[Piece, ...] | None) -> Attempt:
        if not self._choices:
            raise fault
        failed = self._attempt.stream.engine
        self._skipped.add(failed, fault, self._choices[0].engine)
        return self._next_attempt(pieces, fault)

    def _next_attempt(self, pieces: tuple[Piece, ...] | None, fault: MeshError | None) -> Attempt:
        """The next engine that gives a first chunk; ``fault`` is what ended the one before."""
        while True:
            choice = self._choices.popleft()
            try:
                return self._begin(choice, pieces)
            except ClientGone:
                raise
            except MeshError as error:
                if fault is None and not isinstance(error, FALLS_BACK):
                    raise
                # The engine that was asked first took the request: what a stand-in cannot do with
                # it is no fault of the caller's.
                if not isinstance(error, _ABOUT_THE_REQUEST):
                    fault = error
                if not self._choices:
                    raise fault or error from None
                self._skipped.add(choice.engine, error, self._choices[0].engine)

    def _report_skipped(self) -> None:
        """Count the engines skipped so far and name them in the headers."""
        engine = self._attempt.stream.engine
        self.headers.update(self._attempt.stream.headers)
        if (told := self._skipped.answered_by(engine)) is not None:
            self.headers[HEADER] = told
