"""The use case of speech recognition, without HTTP: recordings in, transcripts out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.audio.decode import AudioReader, decode_channels, decode_stream
from shared.audio.pcm import Float32
from shared.audio.source import RawFormat
from shared.core.errors import MeshError, Overloaded
from shared.core.metrics import DECODE_ERRORS
from shared.engines.fallback import FALLS_BACK, SkippedEngines
from shared.engines.host import EngineHost
from shared.wire.speech import Model
from shared.wire.transcription import Transcript, Word
from stt_service.engines.base import SAMPLE_RATE, Options, SttEngine
from stt_service.recognition.engine_choice import EngineChooser, EngineQuery
from stt_service.recognition.language_names import tag_of
from stt_service.recognition.progress import Progress

T = TypeVar("T")

_BLOCK = 5 * SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Job:
    """A recording and how to transcribe it.

    Attributes:
        source: seekable file that stays open until the job is done.
        options: for the engine; ``language`` as the caller wrote it.
        model: engine or model the caller asked for; None or an alias leaves the choice.
        declared: format of a recording without a header.
    """

    source: BinaryIO
    options: Options
    model: str | None = None
    declared: RawFormat | None = None


class TranscriptionService:
    """Recordings → transcripts, by the first engine that can and works.

    The engines are an order of preference: language, task and model of a request say which of them
    can answer it. One that fails is replaced by the next, which reads the recording from its
    beginning; once a segment was given out, a failure is an error.

    Args:
        host: the engines, loading or ready.
        built: engines by name as soon as they are built, ready or not.
        max_audio_seconds: longest recording taken.
    """

    def __init__(
        self,
        host: EngineHost[SttEngine],
        built: Mapping[str, SttEngine],
        max_audio_seconds: float,
    ) -> None:
        self._host = host
        self._chooser = EngineChooser(host, built)
        self._max_seconds = max_audio_seconds

    def start(self, job: Job) -> Progress:
        """Begin a transcription; its first segment is made, so that what fails early raises here.

        Raises:
            UnknownModel: no such model; lists those there are.
            InvalidRequest: the language is not known, nothing here translates, or the recording is
                empty.
            UnsupportedMedia, TooLarge: the recording cannot be taken.
            NotReady, Overloaded: no engine, or no place.
            EngineFailure: every engine that could do this failed; the failure of the last one.
        """
        progress, told = self._by_first_able(job, lambda e, options: self._begin(e, job, options))
        progress.fallback = told
        return progress

    def transcribe(self, job: Job) -> Transcript:
        """The whole transcript, by one engine. Errors as :meth:`start`."""

        def whole(engine: SttEngine, options: Options) -> Transcript:
            progress = self._begin(engine, job, options)
            try:
                for _ in progress:
                    pass
                return progress.transcript(
                    segments=options.segment_times or options.word_times, words=options.word_times
                )
            finally:
                progress.close()

        transcript, told = self._by_first_able(job, whole)
        transcript.fallback = told
        return transcript

    def transcribe_channels(self, job: Job) -> list[Transcript]:
        """One transcript per channel, in order, all by one engine. Errors as :meth:`start`."""

        @functools.cache
        def channels() -> NDArray[np.float32]:
            return decode_channels(
                job.source,
                sample_rate=SAMPLE_RATE,
                max_seconds=self._max_seconds,
                declared=job.declared,
            )

        def each(engine: SttEngine, options: Options) -> list[Transcript]:
            decoded = channels()
            with self._host.lease(engine):
                return [_channel(engine, samples, options) for samples in decoded]

        made, told = self._by_first_able(job, each)
        for transcript in made:
            transcript.fallback = told
        return made

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

    def _by_first_able(
        self, job: Job, work: Callable[[SttEngine, Options], T]
    ) -> tuple[T, str | None]:
        """What ``work`` makes with the first engine that does not fail, and ``X-Fallback``."""
        options = replace(job.options, language=tag_of(job.options.language))
        query = EngineQuery(
            options.language, options.task, self._chooser.engine_of_model(job.model)
        )
        first, *others = self._chooser.candidates(query)
        skipped = SkippedEngines(self._chooser.skipped(first, query))
        engine = first
        falls_back: tuple[type[MeshError], ...] = FALLS_BACK
        for following in others:
            try:
                return work(engine, options), skipped.answered_by(engine.spec.name)
            except falls_back as fault:
                skipped.add(engine.spec.name, fault, following.spec.name)
                # A stand-in that has no place is no reason to give up.
                engine, falls_back = following, (*FALLS_BACK, Overloaded)
        return work(engine, options), skipped.answered_by(engine.spec.name)

    def _begin(self, engine: SttEngine, job: Job, options: Options) -> Progress:
        # The header is looked at before the queue: what is no audio need not wait for an answer.
        reader = self._reader(job)
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

    def _reader(self, job: Job) -> AudioReader:
        try:
            return decode_stream(
                job.source,
                sample_rate=SAMPLE_RATE,
                max_seconds=self._max_seconds,
                declared=job.declared,
            )
        except MeshError:
            DECODE_ERRORS.inc()
            raise


def _channel(engine: SttEngine, samples: Float32, options: Options) -> Transcript:
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
        warnings=found.warnings or None,
    )


def _blocks(samples: Float32) -> Iterator[Float32]:
    for start in range(0, len(samples), _BLOCK):
        yield np.ascontiguousarray(samples[start : start + _BLOCK])
