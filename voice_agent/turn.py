"""Run one turn: speech recognition, then the model's reply and its synthesis, overlapping.

Closing the iterator of events cancels the turn.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from shared.core.metrics import STAGE_LATENCY
from voice_agent.events import Audio, AudioBegins, Ended, Event, Heard
from voice_agent.memory import Conversation
from voice_agent.reply import Parts, ReplyWork


@dataclass(frozen=True, slots=True)
class Question:
    """A recording in any format that FFmpeg reads; ``language`` None is detected."""

    audio: bytes
    content_type: str = ""
    language: str | None = None


def run_turn(
    parts: Parts,
    question: Question,
    memory: Conversation,
    cancelled: threading.Event | None = None,
) -> Iterator[Event]:
    """Yield the events of one turn: :class:`Heard` first, :class:`Ended` last, errors as events.

    Args:
        parts: clients, models and options of the turn.
        question: the user's recording.
        memory: memory of the conversation.
        cancelled: event that another thread sets to stop the turn at once, without :class:`Ended`.

    Raises:
        MeshError: speech recognition failed; the turn is not remembered.
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
    work = ReplyWork(parts, memory, language, started, cancelled)
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
            # Synthesis failed: the user can read the rest, so it counts as received.
            memory.heard(generation, work.unspoken)
        work.mark("all")
        yield Ended({"stt": round(stt_s, 3), **work.times})
    finally:
        work.cancel()
        memory.end(generation)
