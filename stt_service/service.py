"""The use case of speech recognition, without HTTP: recordings in, transcripts out."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from shared.admission import Lease
from shared.audio import AudioReader, decode_channels, decode_stream
from shared.audio_source import RawFormat
from shared.engine_host import EngineHost
from shared.errors import MeshError, UnknownModel
from shared.metrics import AUDIO_SECONDS, DECODE_ERRORS, FALLBACKS, RTF, STAGE_LATENCY
from shared.pcm import Float32
from shared.schemas.speech import Model
from shared.schemas.transcription import Segment, Transcript, Word
from stt_service.engines.base import SAMPLE_RATE, Options, Recognition, SttEngine
from stt_service.languages import tag_of

log = logging.getLogger(__name__)

MODEL_ALIASES = frozenset(
    {"whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "default", "auto"}
)
"""Names that clients send by habit; they mean the first engine."""
_BLOCK = 5 * SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Job:
    """A recording and how to transcribe it.

    Attributes:
        source: seekable file that stays open until the job is done.
        options: for the engine; ``language`` as the caller wrote it.
        model: name the caller asked for; None or an alias means the first engine.
        declared: format of a recording without a header.
    """

    source: BinaryIO
    options: Options
    model: str | None = None
    declared: RawFormat | None = None


class Progress:
    """A transcription under way: its segments as they are made, then the facts about the whole.

    Close it always; closing early stops the engine and frees its place.
    """

    def __init__(
        self, engine: SttEngine, lease: Lease, reader: AudioReader, options: Options
    ) -> None:
        self.engine = engine.spec.name
        self._lease = lease
        self._reader = reader
        self._started = time.monotonic()
        self._recognition: Recognition = engine.transcribe(reader, options)
        self._segments: list[Segment] = []

    def __iter__(self) -> Iterator[Segment]:
        for segment in self._recognition:
            self._segments.append(segment)
            yield segment
        self._account()

    @property
    def duration(self) -> float:
        """Seconds of the recording read so far."""
        return self._reader.seconds

    @property
    def warnings(self) -> list[str]:
        """What keeps the transcript from being whole; complete once iteration has ended."""
        damage = self._reader.damage
        cut = [f"the recording is cut or damaged: {damage}"] if damage else []
        return [*cut, *self._recognition.warnings]

    def transcript(self, *, segments: bool, words: bool) -> Transcript:
        """The whole transcript; call it after the last segment."""
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
            warnings=self.warnings or None,
        )

    def close(self) -> None:
        """Stop, and give the engine to the next caller."""
        try:
            self._recognition.close()
            self._reader.close()
        finally:
            self._lease.release()

    def _account(self) -> None:
        seconds = time.monotonic() - self._started
        STAGE_LATENCY.labels(stage="stt").observe(seconds)
        AUDIO_SECONDS.labels(engine=self.engine, direction="in").inc(self.duration)
        if self.duration > 0:
            RTF.labels(engine=self.engine).observe(seconds / self.duration)


class TranscriptionService:
    """Recordings → transcripts, by the first engine that is ready."""

    def __init__(self, host: EngineHost[SttEngine], max_audio_seconds: float) -> None:
        self._host = host
        self._max_seconds = max_audio_seconds

    def start(self, job: Job) -> Progress:
        """Begin a transcription; nothing was decoded beyond the file's header yet.

        Raises:
            UnknownModel: no such model; lists those there are.
            InvalidRequest: the language is not known, or the recording is empty.
            UnsupportedMedia, TooLarge: the recording cannot be taken.
            NotReady, Overloaded: no engine, or no place.
        """
        engine = self._engine(job.model)
        options = replace(job.options, language=tag_of(job.options.language, engine.spec))
        # The header is looked at before the queue: what is no audio need not wait for an answer.
        try:
            reader = decode_stream(
                job.source,
                sample_rate=SAMPLE_RATE,
                max_seconds=self._max_seconds,
                declared=job.declared,
            )
        except MeshError:
            DECODE_ERRORS.inc()
            raise
        try:
            lease = self._host.lease(engine)
        except BaseException:
            reader.close()
            raise
        try:
            return Progress(engine, lease, reader, options)
        except BaseException:
            reader.close()
            lease.release()
            raise

    def transcribe(self, job: Job) -> Transcript:
        """The whole transcript. Errors as :meth:`start`, and EngineFailure."""
        progress = self.start(job)
        try:
            for _ in progress:
                pass
            wanted = job.options
            return progress.transcript(
                segments=wanted.segment_times or wanted.word_times, words=wanted.word_times
            )
        finally:
            progress.close()

    def transcribe_channels(self, job: Job) -> list[Transcript]:
        """One transcript per channel, in order. Errors as :meth:`transcribe`."""
        engine = self._engine(job.model)
        options = replace(job.options, language=tag_of(job.options.language, engine.spec))
        channels = decode_channels(
            job.source,
            sample_rate=SAMPLE_RATE,
            max_seconds=self._max_seconds,
            declared=job.declared,
        )
        with self._host.lease(engine):
            return [self._channel(engine, samples, options) for samples in channels]

    def models(self) -> list[Model]:
        """The catalogue of this service's models."""
        return [
            Model(
                id=engine.spec.model,
                owned_by="voicemesh",
                task="transcription",
                engine=engine.spec.name,
                licence=engine.spec.licence,
                commercial_use=engine.spec.commercial_use,
                languages=sorted(engine.spec.languages),
            )
            for engine in self._host.engines()
        ]

    def _channel(self, engine: SttEngine, samples: Float32, options: Options) -> Transcript:
        found = engine.transcribe(_blocks(samples), options)
        segments = list(found)
        words: list[Word] = [word for segment in segments for word in segment.words or []]
        return Transcript(
            text="".join(segment.text for segment in segments).strip(),
            language=found.language,
            language_probability=found.language_probability,
            duration=round(len(samples) / SAMPLE_RATE, 3),
            engine=engine.spec.name,
            segments=segments if options.segment_times or options.word_times else None,
            words=words if options.word_times else None,
        )

    def _engine(self, model: str | None) -> SttEngine:
        engines = self._host.engines()
        if model is None or model.lower() in MODEL_ALIASES:
            self._note_fallback(engines[0])
            return engines[0]
        wanted = model.lower().rsplit("/", 1)[-1]
        for engine in engines:
            spec = engine.spec
            if wanted in (spec.name, spec.model.lower(), spec.model.lower().split("-", 1)[-1]):
                return engine
        raise UnknownModel(
            f"no model '{model[:100]}' for transcription",
            param="model",
            details={
                "available": sorted({e.spec.model for e in engines} | {"whisper-1"}),
            },
        )

    def _note_fallback(self, used: SttEngine) -> None:
        preferred = next(iter(self._host.status()))
        if used.spec.name != preferred:
            FALLBACKS.labels(**{"from": preferred, "to": used.spec.name, "reason": "loading"}).inc()
            log.warning("fallback", extra={"preferred": preferred, "used": used.spec.name})


def _blocks(samples: Float32) -> Iterable[Float32]:
    for start in range(0, len(samples), _BLOCK):
        yield np.ascontiguousarray(samples[start : start + _BLOCK])
