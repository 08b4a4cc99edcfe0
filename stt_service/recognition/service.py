"""Transcription service without HTTP: transcribe recordings and fall back between engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO, TypeVar

from shared.audio.decode import AudioReader, decode_stream
from shared.audio.source import RawFormat
from shared.core.errors import MeshError, Overloaded
from shared.core.metrics import DECODE_ERRORS
from shared.engines.engine_host import EngineHost
from shared.engines.fallback import FALLS_BACK, SkippedEngines
from shared.wire.speech import Model
from shared.wire.transcription import Transcript
from stt_service.engines.base import SAMPLE_RATE, Options, SttEngine
from stt_service.recognition.engine_choice import EngineChooser, EngineQuery
from stt_service.recognition.language_tags import tag_of
from stt_service.recognition.running_transcription import RunningTranscription

T = TypeVar("T")


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
            return _finished(self._begin(engine, job, options), options)

        transcript, fallback = self._by_first_able(job, whole)
        transcript.fallback = fallback
        return transcript

    def transcribe_channels(self, job: Job) -> list[Transcript]:
        """Transcribe each channel with one engine and return the transcripts in channel order.

        The recording is decoded once per channel, so that memory use does not depend on its length.
        Raises the errors of :meth:`start`.
        """

        def each(engine: SttEngine, options: Options) -> list[Transcript]:
            with self._reader(job, channel=0) as first, self._host.lease(engine):
                found = [_finished(RunningTranscription(engine, None, first, options), options)]
                for channel in range(1, first.channels):
                    with self._reader(job, channel) as reader:
                        progress = RunningTranscription(engine, None, reader, options)
                        found.append(_finished(progress, options))
                return found

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

    def _reader(self, job: Job, channel: int | None = None) -> AudioReader:
        try:
            return decode_stream(
                job.source,
                sample_rate=SAMPLE_RATE,
                max_seconds=self._max_seconds,
                declared=job.declared,
                channel=channel,
            )
        except MeshError:
            DECODE_ERRORS.inc()
            raise


def _finished(progress: RunningTranscription, options: Options) -> Transcript:
    """Read a transcription to its end and close it."""
    try:
        for _ in progress:
            pass
        return progress.transcript(
            segments=options.segment_times or options.word_times, words=options.word_times
        )
    finally:
        progress.close()
