"""Transcription service without HTTP: transcribe recordings and fall back between engines."""

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
from shared.engines.engine_host import EngineHost
from shared.engines.fallback import FALLS_BACK, SkippedEngines
from shared.wire.speech import Model
from shared.wire.transcription import Transcript, Word
from stt_service.engines.base import SAMPLE_RATE, Options, SttEngine
from stt_service.recognition.engine_choice import EngineChooser, EngineQuery
from stt_service.recognition.language_tags import tag_of
from stt_service.recognition.running_transcription import RunningTranscription

T = TypeVar("T")

_BLOCK = 5 * SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Job:
    """A recording and the options of its transcription.

    Attributes:
        source: seekable file that stays open until the job is done.
        options: engine options; ``language`` as given in the request.
        model: engine or model named in the request; None or an alias allows any.
        declared: format of a recording without a header.
    """

    source: BinaryIO
    options: Options
    model: str | None = None
    declared: RawFormat | None = None


class TranscriptionService:
    """Transcribes recordings with the first suitable engine and falls back to the next on failure.

    The engines are in order of preference. The language, task and model of a request determine
    which of them are suitable. The next engine reads the recording again from its beginning. Once a
    segment was returned there is no fallback and a failure is raised.

    Args:
        host: the engines, loading or ready.
        built: engines by name as soon as they are built, ready or not.
        max_audio_seconds: longest recording accepted.
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

    def start(self, job: Job) -> RunningTranscription:
        """Start a transcription and compute its first segment, so that early errors raise here.

        Raises:
            UnknownModel: the model does not exist; the error lists the existing ones.
            InvalidRequest: the language is unknown, no engine translates, or the recording is
                empty.
            UnsupportedMedia, TooLarge: the recording cannot be accepted.
            NotReady, Overloaded: no engine is ready, or the queue is full.
            EngineFailure: every suitable engine failed; the failure of the last one.
        """
        progress, fallback = self._by_first_able(
            job, lambda e, options: self._begin(e, job, options)
        )
        progress.fallback = fallback
        return progress

    def transcribe(self, job: Job) -> Transcript:
        """Transcribe a whole recording with one engine. Raises the errors of :meth:`start`."""

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

        transcript, fallback = self._by_first_able(job, whole)
        transcript.fallback = fallback
        return transcript

    def transcribe_channels(self, job: Job) -> list[Transcript]:
        """Transcribe each channel with one engine and return the transcripts in channel order.

        Raises the errors of :meth:`start`.
        """

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

        made, fallback = self._by_first_able(job, each)
        for transcript in made:
            transcript.fallback = fallback
        return made

    def models(self) -> list[Model]:
        """Return the catalogue of this service's models."""
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
        """Run ``work`` on the suitable engines in order until one does not fail.

        Returns:
            The result of ``work``, and the value of ``X-Fallback`` or None.
        """
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
                # A fallback engine whose queue is full is skipped as well.
                engine, falls_back = following, (*FALLS_BACK, Overloaded)
        return work(engine, options), skipped.answered_by(engine.spec.name)

    def _begin(self, engine: SttEngine, job: Job, options: Options) -> RunningTranscription:
        # The header is read before queueing, so that invalid audio is rejected at once.
        reader = self._reader(job)
        try:
            lease = self._host.lease(engine)
        except BaseException:
            reader.close()
            raise
        try:
            return RunningTranscription(engine, lease, reader, options)
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
