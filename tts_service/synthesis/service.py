"""Speech synthesis independent of HTTP: choose voice and engine, recall or make the answer."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from shared.audio.pcm import PcmStream
from shared.core.errors import TooLarge, UnknownVoice
from shared.core.metrics import STAGE_LATENCY
from shared.engines.engine_host import EngineHost
from tts_service.engines.base import Piece, Reference, TtsEngine
from tts_service.settings import TtsSettings
from tts_service.synthesis.engine_choice import Choice, ReadyEngine, VoiceChooser, VoiceQuery
from tts_service.synthesis.engine_fallback import SpeechChain, ignored_header
from tts_service.synthesis.job import SpeechJob
from tts_service.synthesis.result_cache import ResultCache
from tts_service.text.pieces import pieces_of
from tts_service.voices.aliases import PERSONAS
from tts_service.voices.defaults import Defaults, DefaultsStore
from tts_service.voices.folder import VoicesFolder

log = logging.getLogger(__name__)


class SpeechService:
    """Speech synthesis with the engines of a host.

    Args:
        host: engines, loading or ready.
        settings: limits and defaults.
        folder: reference recordings.
        store: the default voice and language, which clients may set.
        built: engines by name as soon as they are built, ready or not.
        results: cache of finished answers; None turns it off.
    """

    def __init__(
        self,
        host: EngineHost[TtsEngine],
        settings: TtsSettings,
        folder: VoicesFolder,
        store: DefaultsStore,
        built: Mapping[str, TtsEngine],
        results: ResultCache | None = None,
    ) -> None:
        self.host = host
        self._chooser = VoiceChooser(host, settings.tts_engines, built)
        self.folder = folder
        self._settings = settings
        self._store = store
        self._results = results

    @property
    def defaults(self) -> Defaults:
        """The default voice and language in force."""
        return self._store.current

    def ready_engines(self) -> list[ReadyEngine]:
        """Return the ready engines as data, in the configured order.

        Raises:
            NotReady: no engine is ready.
        """
        return self._chooser.ready_engines()

    def speak(self, job: SpeechJob) -> PcmStream:
        """Speak ``job``. The first chunk is made here, so that an early failure raises here.

        The stream holds a lease on its engine until it is read to its end or closed. Its headers
        say what made it: ``X-Engine``, ``X-Voice``, ``X-Language``, ``X-Sample-Rate``, and where
        they apply ``X-Voice-Method``, ``X-Voice-Similarity``, ``X-Ignored-Parameters``,
        ``X-Fallback``, and ``X-Cache`` where a cache was asked.

        An engine that fails is replaced by the next one that can speak this, also in the middle of
        the answer: :class:`tts_service.synthesis.engine_fallback.SpeechChain`.

        Raises:
            InvalidRequest: nothing to say, or a language, sample or parameter that does not fit.
            UnknownVoice, UnknownModel: there is none of that name; the error lists those there are.
            TooLarge: the text is longer than the limit.
            NotReady, Overloaded: try again later.
            EngineFailure, UpstreamUnavailable, UpstreamTimeout, RateLimited: every engine that
                can speak this failed; the failure of the last one.
        """
        started = time.monotonic()
        self._check_length(job.text)
        reference = self._reference(job)
        query = self._query(job, reference is not None)
        choices = self._choices(query)
        skipped = self._chooser.skipped(choices[0], query)
        pieces_in = functools.cache(functools.partial(self._pieces, job))
        key = None
        # An answer of a fallback engine is neither looked up nor kept.
        if self._results is not None and not skipped:
            key = self._result_key(self._results, choices[0], job, reference, pieces_in)
            if (known := self._results.recall(key, started)) is not None:
                ignored = job.ignored(self.host.engine(choices[0].engine).spec)
                known.headers |= {**ignored_header(ignored), "X-Cache": "hit"}
                return known

        chain = SpeechChain(self.host, job, reference, choices, skipped, pieces_in, started)
        answer = chain.whole() if job.whole else chain.stream()
        if self._results is None or key is None:
            return answer
        answer.headers["X-Cache"] = "miss"
        return self._results.record(key, answer)

    def close(self) -> None:
        """Store finished answers; call it after the last request."""
        if self._results is not None:
            self._results.close()

    def configure(
        self, *, language: str | None, sample_name: str | None, keep_sample: bool
    ) -> Defaults:
        """Set the defaults, and prepare the default voice so that its first use is immediate.

        Args:
            language: the new default; None keeps the present one.
            sample_name: the new default recording; None removes it unless ``keep_sample``.
            keep_sample: keep the present default recording.

        Raises:
            InvalidRequest: no engine speaks the language, or the recording cannot be used.
            UnknownVoice: there is no such recording.
            NotReady: no engine is ready to check them.
            InsufficientStorage: the disk is full; the defaults stay unchanged.
        """
        new = self.defaults
        if language is not None:
            self._chooser.choices(VoiceQuery(language))
            new = replace(new, language=language)
        if not keep_sample:
            if sample_name is not None:
                reference = self.folder.read(sample_name)
                choice = self._chooser.choices(VoiceQuery(new.language, reference=True))[0]
                engine = self.host.engine(choice.engine)
                with self.host.lease(engine):
                    engine.prepare(reference)
            new = replace(new, voice_sample=sample_name)
        self._store.save(new)
        return new

    def _check_length(self, text: str) -> None:
        limit = self._settings.max_text_chars
        if len(text) > limit:
            raise TooLarge(f"the text is longer than {limit} characters", param="text")

    def _reference(self, job: SpeechJob) -> Reference | None:
        """Return the recording to follow: sent, named, named as a voice, or the default."""
        if job.sample is not None:
            return job.sample
        if job.sample_name is not None:
            return self.folder.read(job.sample_name)
        if job.voice is not None:
            if self._is_built_in(job.voice) or set(job.voice) & set("/\\\0"):
                return None
            return self.folder.read(job.voice) if self.folder.find(job.voice) else None
        if self.defaults.voice_sample is not None:
            return self.folder.read(self.defaults.voice_sample)
        return None

    def _is_built_in(self, name: str) -> bool:
        low = name.lower()
        return low in PERSONAS or any(
            v.id.lower() == low for e in self.ready_engines() for v in e.voices
        )

    def _choices(self, query: VoiceQuery) -> list[Choice]:
        try:
            return self._chooser.choices(query)
        except UnknownVoice as error:
            error.details["samples"] = self.folder.names()
            raise

    def _query(self, job: SpeechJob, follows_reference: bool) -> VoiceQuery:
        return VoiceQuery(
            default_language=self.defaults.language,
            language=job.language,
            voice=job.voice,
            engine=self._chooser.engine_of_model(job.model),
            reference=follows_reference,
        )

    def _pieces(self, job: SpeechJob, language: str) -> tuple[Piece, ...]:
        with STAGE_LATENCY.labels(stage="normalize").time():
            return pieces_of(
                job.text,
                language,
                first_clause_chars=None if job.whole else self._settings.first_clause_chars,
            )

    def _result_key(
        self,
        results: ResultCache,
        choice: Choice,
        job: SpeechJob,
        reference: Reference | None,
        pieces_in: Callable[[str], tuple[Piece, ...]],
    ) -> str:
        engine = self.host.engine(choice.engine)
        speed, parameters = job.honoured(engine.spec)
        pieces = pieces_in(choice.language)
        return results.key(engine, choice, pieces, reference, speed, parameters)
