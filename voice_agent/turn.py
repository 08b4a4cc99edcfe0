"""One turn: recognition, then the model's reply and its speech, overlapping.

Closing the iterator of events cancels everything behind it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from shared.core.metrics import STAGE_LATENCY
from voice_agent.events import Audio, AudioBegins, Ended, Event, Heard
from voice_agent.memory import Conversation
from voice_agent.reply import Parts, Work


@dataclass(frozen=True, slots=True)
class Question:
    """A recording, in any format FFmpeg reads; ``language`` None is detected."""

    audio: bytes
    content_type: str = ""
    language: str | None = None


def run_turn(
    parts: Parts,
    question: Question,
    memory: Conversation,
    cancelled: threading.Event | None = None,
) -> Iterator[Event]:
    """The events of one turn; :class:`Heard` first, :class:`Ended` last, faults as events.

    Args:
        parts: what the turn works with.
        question: what was said.
        memory: of the conversation.
        cancelled: set by another thread: the turn stops at once, without :class:`Ended`.

    Raises:
        MeshError: recognition failed; nothing of this turn is remembered.
    """
    started = time.monotonic()
    transcript = parts.stt.transcribe(
        question.audio, content_type=question.content_type, language=question.language
    )
    stt_s = time.monotonic() - started
    STAGE_LATENCY.labels(stage="turn_stt").observe(stt_s)
    cancelled = cancelled or threading.Event()
    if cancelled.is_set():
        return
    language = transcript.language or "en"
    yield Heard(
        transcript.text, transcript.language, transcript.engine, tuple(transcript.warnings or ())
    )
    if not transcript.text:
        yield Ended({"stt": round(stt_s, 3)})
        return
    generation = memory.begin(transcript.text, language)
    work = Work(parts, memory, language, started, cancelled)
    rate, samples = 1, 0
    try:
        for event in work.events():
            if isinstance(event, AudioBegins):
                rate = event.format.sample_rate
            if isinstance(event, Audio):
                samples += len(event.samples)
                if event.clause:
                    memory.heard(generation, event.clause, samples / rate)
                    samples = 0
            yield event
        if cancelled.is_set():
            return
        if work.unspoken:
            # Speech failed: the person reads the rest, which is as good as having heard it.
            memory.heard(generation, work.unspoken)
        work.mark("all")
        yield Ended({"stt": round(stt_s, 3), **work.times})
    finally:
        work.cancel()
        memory.end(generation)
