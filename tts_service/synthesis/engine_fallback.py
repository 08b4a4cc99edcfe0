"""Speak one answer with the first engine that works, and go on with the next where it fails."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

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
from shared.engines.engine_host import EngineHost
from shared.engines.fallback import FALLS_BACK, HEADER, SkippedEngine, SkippedEngines
from tts_service.engines.base import (
    Piece,
    PreparedVoice,
    Reference,
    SynthesisRequest,
    TtsEngine,
)
from tts_service.sound.joins import LEAD_S
from tts_service.synthesis.engine_choice import Choice
from tts_service.synthesis.job import SpeechJob
from tts_service.synthesis.metering import MeteredSpeech

_ABOUT_THE_REQUEST = (InvalidRequest, NotFound, TooLarge, UnsupportedMedia)

_FALSE_START_PAUSE_S = 0.3
"""Silence before a sentence that is spoken anew because the first engine failed in it: about the
pause in which people correct themselves."""

_HEADER_WORD = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_MAX_IGNORED = 32
"""Names of ignored parameters that a header lists at most."""


@dataclass(slots=True)
class _Attempt:
    """An engine at work: its request, and its stream with the first chunk made."""

    request: SynthesisRequest
    stream: PcmStream


class SpeechChain(Iterator[Pcm16]):
    """The chunks of one answer, made by one engine after the other.

    The first engine that works speaks. Where it fails on the way, the next one goes on from the
    piece that it did not finish. Each engine is leased for as long as it works.

    :attr:`headers` changes when an engine is replaced. The headers of an HTTP answer are sent by
    then, but an answer that ends with an event can report the change there.

    Args:
        host: the engines.
        job: the request.
        reference: the recording to follow, or None.
        choices: the engines to ask, best first; at least one.
        skipped: engines that were preferred and are not ready.
        pieces_in: gives the pieces of the text in a language.
        started: when the client began to wait, ``time.monotonic()``.

    Raises:
        MeshError: no engine made a first chunk; the failure of the last one.
    """

    def __init__(
        self,
        host: EngineHost[TtsEngine],
        job: SpeechJob,
        reference: Reference | None,
        choices: Sequence[Choice],
        skipped: Sequence[SkippedEngine],
        pieces_in: Callable[[str], tuple[Piece, ...]],
        started: float,
    ) -> None:
        self._host = host
        self._job = job
        self._reference = reference
        self._choices = deque(choices)
        self._skipped = SkippedEngines(skipped)
        self._pieces_in = pieces_in
        self._started = started
        self._pending: list[Pcm16] = []
        self._attempt = self._next_attempt(None, None)
        self._chunks = iter(self._attempt.stream.chunks)
        self.format = self._attempt.stream.format
        self.engine = self._attempt.stream.engine
        self.headers: dict[str, str] = {}
        self._report_skipped()

    def stream(self) -> PcmStream:
        """Return the answer as it is made."""
        return PcmStream(self.format, self, self.engine, self.headers)

    def whole(self) -> PcmStream:
        """Make the whole answer in one voice, and return it.

        An engine that fails on the way is replaced from the beginning.

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

    def _replace(self, fault: MeshError, pieces: tuple[Piece, ...] | None) -> _Attempt:
        if not self._choices:
            raise fault
        failed = self._attempt.stream.engine
        self._skipped.add(failed, fault, self._choices[0].engine)
        return self._next_attempt(pieces, fault)

    def _next_attempt(self, pieces: tuple[Piece, ...] | None, fault: MeshError | None) -> _Attempt:
        """Start the next engine that makes a first chunk.

        Args:
            pieces: what is left to speak; None for all of it.
            fault: the failure of the engine before, or None.
        """
        while True:
            choice = self._choices.popleft()
            try:
                return self._start(choice, pieces)
            except ClientGone:
                raise
            except MeshError as error:
                if fault is None and not isinstance(error, FALLS_BACK):
                    raise
                # The engine that was asked first took the request. What the next one cannot do
                # with it is no fault of the client's.
                if not isinstance(error, _ABOUT_THE_REQUEST):
                    fault = error
                if not self._choices:
                    raise fault or error from None
                self._skipped.add(choice.engine, error, self._choices[0].engine)

    def _start(self, choice: Choice, pieces: tuple[Piece, ...] | None) -> _Attempt:
        """Lease the engine of ``choice`` and make its first chunk."""
        # The client waits for the first sound only once.
        started = self._started if pieces is None else time.monotonic()
        if pieces is None:
            pieces = self._pieces_in(choice.language)
        engine = self._host.engine(choice.engine)
        lease = self._host.lease(engine)
        try:
            prepared = engine.prepare(self._reference) if self._reference is not None else None
            speed, parameters = self._job.honoured(engine.spec)
            request = SynthesisRequest(
                pieces=pieces,
                language=choice.language,
                voice=choice.voice,
                prepared=prepared,
                speed=speed,
                parameters=parameters,
            )
            stream = engine.synthesize(request)
            rate = stream.format.sample_rate
            stream.chunks = MeteredSpeech(
                iter(stream.chunks), engine.spec.name, rate, started, lease.release
            )
        except BaseException:
            lease.release()
            raise
        stream.headers.update(_headers(choice, prepared, rate))
        stream.headers.update(ignored_header(self._job.ignored(engine.spec)))
        return _Attempt(request, stream)

    def _report_skipped(self) -> None:
        """Count the engines skipped so far and name them in the headers."""
        engine = self._attempt.stream.engine
        self.headers.update(self._attempt.stream.headers)
        if (skipped := self._skipped.answered_by(engine)) is not None:
            self.headers[HEADER] = skipped


def ignored_header(names: Sequence[str]) -> dict[str, str]:
    """Return ``X-Ignored-Parameters`` for ``names``; empty where there is nothing to name."""
    # Names come from the request: only plain words may enter a header.
    plain = [name for name in names if _HEADER_WORD.fullmatch(name)][:_MAX_IGNORED]
    return {"X-Ignored-Parameters": ", ".join(plain)} if plain else {}


def _headers(choice: Choice, prepared: PreparedVoice | None, sample_rate: int) -> dict[str, str]:
    headers = {
        "X-Engine": choice.engine,
        "X-Voice": choice.voice.id if prepared is None else prepared.id,
        "X-Language": choice.language,
        "X-Sample-Rate": str(sample_rate),
    }
    if prepared is not None:
        headers["X-Voice-Method"] = prepared.method
        if prepared.similarity is not None:
            headers["X-Voice-Similarity"] = f"{prepared.similarity:.3f}"
    return headers
