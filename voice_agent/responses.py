"""Convert the events of a turn to HTTP and WebSocket messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shared.audio.pcm import AudioFormat, Pcm16
from shared.audio.wav import wav_header
from shared.core.errors import MeshError
from shared.wire.agent import TurnAnswer
from voice_agent.events import (
    Audio,
    AudioBegins,
    Ended,
    Event,
    Fault,
    Heard,
    ReplyText,
    ReplyWritten,
)


@dataclass(slots=True)
class Collected:
    """A turn collected from its events."""

    heard: Heard | None = None
    written: ReplyWritten | None = None
    begins: AudioBegins | None = None
    chunks: list[Pcm16] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    times: dict[str, float] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Add one event."""
        match event:
            case Heard():
                self.heard = event
            case ReplyWritten():
                self.written = event
            case AudioBegins():
                self.begins = event
            case Audio():
                self.chunks.append(event.samples)
            case Fault():
                self.faults.append(event)
            case Ended():
                self.times = event.times
            case ReplyText():
                pass

    def fault(self, stage: str) -> MeshError | None:
        """Return the error of a stage, or None."""
        return next((fault.error for fault in self.faults if fault.stage == stage), None)

    def answer(self) -> TurnAnswer:
        """Return the turn's JSON response; complete once the reply is written."""
        heard = self.heard or Heard("", None, "")
        written = self.written or ReplyWritten("", "")
        return TurnAnswer(
            transcription=heard.text,
            llama=written.text,
            language=heard.language,
            stt_engine=heard.engine,
            llm_engine=written.engine or None,
            llm_skipped=_skipped(written),
            llm_passed_over=_skipped(written),
            event=None if heard.text else "no_speech",
            warnings=list(heard.warnings),
        )

    def wav(self) -> bytes | None:
        """Return the reply as a WAV file with exact sizes; None where nothing was spoken."""
        return wav_file(self.begins.format, self.chunks) if self.begins is not None else None


def wav_file(format_: AudioFormat, chunks: Iterable[Pcm16]) -> bytes:
    """Encode audio chunks as a complete WAV file."""
    data = b"".join(np.asarray(chunk, "<i2").tobytes() for chunk in chunks)
    return wav_header(format_, len(data)) + data


def stream_messages(events: Iterable[Event]) -> Iterator[dict[str, Any] | bytes]:
    """Yield the messages of the streaming mode of ``/ws``: JSON events and binary s16le audio."""
    for event in events:
        match event:
            case Heard():
                yield {
                    "event": "transcription",
                    "text": event.text,
                    "language": event.language,
                    "engine": event.engine,
                    **({"warnings": list(event.warnings)} if event.warnings else {}),
                }
            case ReplyText():
                yield {"event": "delta", "text": event.delta}
            case ReplyWritten():
                yield {
                    "event": "reply",
                    "text": event.text,
                    "engine": event.engine,
                    "skipped": _skipped(event),
                    # Deprecated: the older name, kept for one release.
                    "passed_over": _skipped(event),
                }
            case AudioBegins():
                yield {
                    "event": "audio_start",
                    "encoding": "pcm_s16le",
                    "sample_rate": event.format.sample_rate,
                    "channels": event.format.channels,
                    "engine": event.engine,
                    "voice": event.voice,
                }
            case Audio():
                if len(event.samples):
                    yield np.asarray(event.samples, "<i2").tobytes()
            case Fault():
                yield {"event": "error", "stage": event.stage, **event.error.body()}
            case Ended():
                yield {"event": "end", "times": event.times}


def _skipped(written: ReplyWritten) -> list[dict[str, str]]:
    return [{"engine": each.engine, "reason": each.reason} for each in written.skipped]
