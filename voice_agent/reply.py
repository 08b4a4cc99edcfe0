"""Generate and speak the reply of a turn.

Two threads run per turn: one reads the language model and splits its text into clauses, the other
has them synthesised. Both put events into one queue that the caller reads. A slow client blocks
synthesis, whose audio takes memory. Text is small and is generated ahead, so that the model, which
serves few turns at a time, is released early.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from shared.audio.pcm import AudioFormat, Pcm16, PcmStream
from shared.audio.samples import float_to_pcm16, pcm16_to_float, resample
from shared.core.errors import MeshError
from shared.core.log import request_id
from shared.core.metrics import STAGE_LATENCY
from shared.engines.engine_host import EngineHost
from shared.http.client.stt import SttClient
from shared.http.client.tts import TtsClient
from shared.http.server.error_responses import as_mesh_error
from voice_agent.clauses import ClauseStream
from voice_agent.events import Audio, AudioBegins, Event, Fault, ReplyText, ReplyWritten
from voice_agent.llm.base import LlmEngine, ReplyOptions
from voice_agent.llm.choice import begin_reply
from voice_agent.memory import Conversation
from voice_agent.voices import choose_voice

log = logging.getLogger(__name__)

_POLL_S = 0.05
AUDIO_AHEAD = 64
"""Audio chunks buffered ahead of the client: some seconds."""
TEXT_AHEAD = 4096
"""Text pieces buffered ahead: the largest reply that the settings allow.

Only a model that ignores its limit blocks here.
"""
_LET_GO_S = 1.0
"""How long a cancelled turn waits for its threads, seconds.

A thread that still waits for a service is abandoned: it ends when the service answers or times out.
"""
_END = object()


@dataclass(frozen=True, slots=True)
class Parts:
    """Clients, models and options of a turn.

    Attributes:
        voice: ``VOICE_NAME``, possibly empty.
    """

    stt: SttClient
    tts: TtsClient
    llms: EngineHost[LlmEngine]
    options: ReplyOptions
    voice: str = ""


class _Cancelled(Exception):
    """The turn was cancelled; raised to end its threads."""


class _Draft:
    """A :class:`Listener` for a model that may still be skipped.

    It raises when the turn is cancelled.
    """

    def __init__(self, work: ReplyWork) -> None:
        self._work = work
        self._clauses = ClauseStream(work.language)
        self.first_at: float | None = None

    def has_clause(self, piece: str) -> bool:
        """Add a piece and check for a complete clause; see :class:`Listener`."""
        self._work.check()
        self.first_at = self.first_at or time.monotonic()
        return bool(self._clauses.feed(piece))

    def has_last_clause(self) -> bool:
        """Check the remaining text for a clause; see :class:`Listener`."""
        return bool(self._clauses.flush())


class ReplyWork:
    """The two threads of a turn and their shared state."""

    def __init__(
        self,
        parts: Parts,
        memory: Conversation,
        language: str,
        started: float,
        cancelled: threading.Event,
    ) -> None:
        self._parts = parts
        self._messages = memory.messages()
        self.language = language
        self._started = started
        self._cancelled = cancelled
        self._events: queue.Queue[object] = queue.Queue(TEXT_AHEAD + AUDIO_AHEAD)
        self._clauses: queue.Queue[object] = queue.Queue(TEXT_AHEAD)
        self._audio_room = threading.Semaphore(AUDIO_AHEAD)
        self._request_id = request_id.get()
        self._threads = [
            threading.Thread(target=self._run, args=(step,), name=step.__name__, daemon=True)
            for step in (self._write, self._speak)
        ]
        self.times: dict[str, float] = {}
        self.unspoken = ""

    def events(self) -> Iterator[Event]:
        """Start the threads and yield their events until both end or the turn is cancelled."""
        for thread in self._threads:
            thread.start()
        running = len(self._threads)
        while running and not self._cancelled.is_set():
            try:
                event = self._events.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if isinstance(event, Audio):
                self._audio_room.release()
            if event is _END:
                running -= 1
            else:
                yield event  # type: ignore[misc]  # only events and _END are put

    def cancel(self) -> None:
        """Cancel the turn and wait up to a second for its threads."""
        self._cancelled.set()
        until = time.monotonic() + _LET_GO_S
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                log.warning("a cancelled turn hangs", extra={"step": thread.name})

    def _run(self, step: Callable[[], None]) -> None:
        token = request_id.set(self._request_id)
        try:
            step()
        except _Cancelled:
            log.debug("turn cancelled")
        except Exception as error:
            stage = "llm" if step == self._write else "tts"
            self._offer(self._events, Fault(stage, as_mesh_error(error)))
        finally:
            if step == self._write:
                self._offer(self._clauses, _END)
            self._offer(self._events, _END)
            request_id.reset(token)

    def _offer(self, target: queue.Queue[object], item: object) -> None:
        try:
            self._put(target, item)
        except _Cancelled:
            log.debug("nobody waits for the end of this turn")

    def check(self) -> None:
        """Raise in the calling thread if the turn is cancelled."""
        if self._cancelled.is_set():
            raise _Cancelled

    def _put(self, target: queue.Queue[object], item: object) -> None:
        while not self._cancelled.is_set():
            try:
                target.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return
        raise _Cancelled

    def _put_audio(self, audio: Audio) -> None:
        while not self._audio_room.acquire(timeout=_POLL_S):
            self.check()
        self._put(self._events, audio)

    def _take_clause(self) -> object:
        while not self._cancelled.is_set():
            try:
                return self._clauses.get(timeout=_POLL_S)
            except queue.Empty:
                continue
        raise _Cancelled

    def mark(self, stage: str, at: float | None = None) -> None:
        """Record the time of a stage's first event since the end of speech; now where not given."""
        if stage not in self.times:
            seconds = (at or time.monotonic()) - self._started
            self.times[stage] = round(seconds, 3)
            STAGE_LATENCY.labels(stage=f"turn_{stage}").observe(seconds)

    def _write(self) -> None:
        """Read the model's reply; pass on its text as events and as clauses."""
        drafts: list[_Draft] = []

        def listener() -> _Draft:
            drafts.append(_Draft(self))
            return drafts[-1]

        reply = begin_reply(self._parts.llms, self._messages, self._parts.options, listener)
        # The first token of the model in use, not of a skipped one.
        self.mark("llm_first_token", drafts[-1].first_at)
        clauses = ClauseStream(self.language)
        whole: list[str] = []
        try:
            for piece in reply.pieces:
                whole.append(piece)
                self._put(self._events, ReplyText(piece))
                self._say(clauses.feed(piece))
            self._say(clauses.flush())
        finally:
            reply.close()
        self.mark("llm")
        text = "".join(whole).strip()
        self._put(self._events, ReplyWritten(text, reply.engine, tuple(reply.skipped)))

    def _say(self, clauses: list[str]) -> None:
        for clause in clauses:
            self._put(self._clauses, clause)

    def _speak(self) -> None:
        """Synthesise the clauses one after the other in one audio format."""
        format_: AudioFormat | None = None
        spoken_all = False
        try:
            while (clause := self._take_clause()) is not _END:
                self.unspoken = str(clause)
                stream = self._parts.tts.speak(
                    str(clause), language=self.language, voice=self._voice()
                )
                if format_ is None:
                    format_ = stream.format
                    voice = stream.headers.get("X-Voice", "")
                    self._put(self._events, AudioBegins(format_, stream.engine, voice))
                self._pass_on(stream, format_, str(clause))
                self.unspoken = ""
            spoken_all = True
        finally:
            if not spoken_all and not self._cancelled.is_set():
                self._drain()

    def _pass_on(self, stream: PcmStream, format_: AudioFormat, clause: str) -> None:
        last: Audio | None = None
        try:
            for chunk in stream:
                self.mark("tts_first_audio")
                if last is not None:
                    self._put_audio(last)
                last = Audio(_at_rate(chunk, stream.format, format_))
        finally:
            stream.close()
        tail = last.samples if last is not None else np.zeros(0, np.int16)
        self._put_audio(Audio(tail, clause))

    def _drain(self) -> None:
        """Take the remaining clauses after a synthesis error and keep their text.

        The writer thread can then end.
        """
        rest = [self.unspoken]
        try:
            while (clause := self._take_clause()) is not _END:
                rest.append(str(clause))
        except _Cancelled:
            log.debug("turn cancelled after speech had failed")
        self.unspoken = " ".join(part for part in rest if part)

    def _voice(self) -> str | None:
        if not self._parts.voice:
            return None
        try:
            return choose_voice(self._parts.voice, self.language, self._parts.tts.voices())
        except MeshError:
            # Without the catalogue the language's default voice is used.
            log.warning("the voice catalogue is not available")
            return None


def _at_rate(chunk: Pcm16, made: AudioFormat, wanted: AudioFormat) -> Pcm16:
    """Resample a chunk to the reply's sample rate.

    A fallback engine in mid-reply may have another one.
    """
    if made.sample_rate == wanted.sample_rate:
        return chunk
    return float_to_pcm16(resample(pcm16_to_float(chunk), made.sample_rate, wanted.sample_rate))
