"""A transcription in progress on one engine."""

from __future__ import annotations

import time
from collections.abc import Iterator

from shared.audio.decode import AudioReader
from shared.core.metrics import AUDIO_SECONDS, RTF, STAGE_LATENCY
from shared.core.streaming import prime
from shared.engines.admission import Lease
from shared.wire.transcription import Segment, Transcript
from stt_service.engines.base import Options, Recognition, SttEngine


class RunningTranscription:
    """A transcription in progress that yields its segments and then the whole transcript.

    The constructor computes the first segment. Always close it; closing early stops the engine and
    releases its lease.

    Args:
        engine: the engine to use.
        lease: the right to use it; None if the caller holds it and releases it later.
        reader: the recording.
        options: engine options.

    Attributes:
        engine: name of the engine.
        fallback: the skipped preferred engines in the format of ``X-Fallback``; None where there
            were none.

    Raises:
        MeshError: the first segment failed; the caller must close the reader and release the lease.
    """

    def __init__(
        self, engine: SttEngine, lease: Lease | None, reader: AudioReader, options: Options
    ) -> None:
        self.engine = engine.spec.name
        self.fallback: str | None = None
        self._lease = lease
        self._reader = reader
        self._started = time.monotonic()
        self._recognition: Recognition = engine.transcribe(reader, options)
        self._found = prime(iter(self._recognition))
        self._segments: list[Segment] = []

    def __iter__(self) -> Iterator[Segment]:
        for segment in self._found:
            self._segments.append(segment)
            yield segment
        self._account()

    @property
    def duration(self) -> float:
        """Seconds of the recording read so far."""
        return self._reader.seconds

    @property
    def warnings(self) -> list[str]:
        """Warnings about damage and ignored options; complete once iteration has ended."""
        damage = self._reader.damage
        cut = [f"the recording is cut or damaged: {damage}"] if damage else []
        return [*cut, *self._recognition.warnings]

    def transcript(self, *, segments: bool, words: bool) -> Transcript:
        """Return the whole transcript; call it after the last segment."""
        found = self._recognition
        all_words = [word for segment in self._segments for word in segment.words or []]
        return Transcript(
            text="".join(segment.text for segment in self._segments).strip(),
            language=found.language,
            language_probability=found.language_probability,
            duration=round(self.duration, 3),
            engine=self.engine,
            segments=self._segments if segments else None,
            words=all_words if words else None,
            truncated=True if self._reader.damage else None,
            warnings=self.warnings or None,
        )

    def close(self) -> None:
        """Stop the transcription and release the engine."""
        try:
            self._recognition.close()
            self._reader.close()
        finally:
            if self._lease is not None:
                self._lease.release()

    def _account(self) -> None:
        seconds = time.monotonic() - self._started
        STAGE_LATENCY.labels(stage="stt").observe(seconds)
        AUDIO_SECONDS.labels(engine=self.engine, direction="in").inc(self.duration)
        if self.duration > 0:
            RTF.labels(engine=self.engine).observe(seconds / self.duration)
