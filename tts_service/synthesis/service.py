"""The use case: a text is spoken by the engine that suits it. No HTTP, no model library."""

from __future__ import annotations

import functools
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from shared.audio.pcm import PcmStream
from shared.core.errors import TooLarge, UnknownVoice
from shared.core.metrics import STAGE_LATENCY
from shared.core.streaming import closing_after, prime
from shared.engines.host import EngineHost
from tts_service.engines.base import Piece, PreparedVoice, Reference, SynthesisRequest, TtsEngine
from tts_service.settings import TtsSettings
from tts_service.synthesis.chain import Attempt, SpeechChain
from tts_service.synthesis.choice import Choice, ReadyEngine, VoiceQuery
from tts_service.synthesis.metering import metered
from tts_service.synthesis.result_cache import ResultCache
from tts_service.synthesis.selection import EngineSelection
from tts_service.text.pieces import pieces_of
from tts_service.voices.aliases import PERSONAS
from tts_service.voices.defaults import Defaults, DefaultsStore
from tts_service.voices.folder import VoicesFolder

log = logging.getLogger(__name__)

_HEADER_WORD = re.compile(r"[A-Za-z0-9_.\-]{1,64}")


@dataclass(frozen=True, slots=True)
class SpeechJob:
    """One request, in no dialect.

    Attributes:
        text: what to say.
        language: tag, or None for the voice's own or the default.
        voice: name of a voice, or None.
        sample_name: a recording in the voices folder to sound like, or None.
        sample: a recording that came with the request, or None.
        model: engine name or one of OpenAI's model names, or None.
        speed: 0.25 to 4.
        parameters: all further parameters that were given, honoured or not.
        whole: the answer is wanted whole, so nothing is gained by a short first clause.
    """

    text: str
    language: str | None = None
    voice: str | None = None
    sample_name: str | None = None
    sample: Reference | None = None
    model: str | None = None
    speed: float = 1.0
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    whole: bool = False


class SpeechService:
    """Speaks texts through the engines of a host.

    Args:
        host: its engines, loading or ready.
        settings: limits and defaults.
        folder: reference recordings.
        store: the defaults that callers may set.
        built: engines by name as soon as they are built, ready or not.
        results: answers that were spoken before; None: every answer is made anew.
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
        self._selection = EngineSelection(host, settings.tts_engines, built)
        self.folder = folder
        self._settings = settings
        self._store = store
        self._results = results

    @property
    def defaults(self) -> Defaults:
        """The defaults in force."""
        return self._store.current

    def ready_engines(self) -> list[ReadyEngine]:
        """What the ready engines ready_engine, in the configured order.

        Raises:
            NotReady: none is.
        """
        return self._selection.ready_engines()

    def speak(self, job: SpeechJob) -> PcmStream:
        """Speak ``job``; the first chunk is made, so that what fails early raises here.

        The stream holds a place at its engine until it is read to its end or closed. Its headers
        say what made it: ``X-Engine``, ``X-Voice``, ``X-Language``, ``X-Sample-Rate``, and where
        they apply ``X-Voice-Method``, ``X-Voice-Similarity``, ``X-Ignored-Parameters``,
        ``X-Fallback``, and ``X-Cache`` where a cache was asked.

        An engine that fails is replaced by the next one that can speak this, also in the middle of
        the answer: :class:`tts_service.synthesis.chain.SpeechChain`.

        Raises:
            InvalidRequest: nothing to say, or a language, sample or parameter that does not fit.
            UnknownVoice, UnknownModel: no such thing; the error lists what there is.
            TooLarge: the text is above the limit.
            NotReady, Overloaded: later.
            EngineFailure, UpstreamUnavailable, UpstreamTimeout, RateLimited: every engine that
                could speak this failed; the failure of the last one.
        """
        started = time.monotonic()
        self._check_length(job.text)
        reference = self._reference(job)
        query = self._wish(job, reference is not None)
        choices = self._choices(query)
        skipped = self._selection.skipped(choices[0], query)
        pieces_in = functools.cache(functools.partial(self._pieces, job))
        key = None
        # What stands in for a preferred engine is neither looked up nor kept.
        if self._results is not None and not skipped:
            key = self._result_key(self._results, choices[0], job, reference, pieces_in)
            if (known := self._results.recall(key, started)) is not None:
                ignored = _ignored(job, self._engine(choices[0].engine).spec.parameters)
                known.headers |= {**_ignored_header(ignored), "X-Cache": "hit"}
                return known

        def begin(choice: Choice, pieces: tuple[Piece, ...] | None) -> Attempt:
            # The listener waits for the first sound only once.
            if pieces is None:
                return self._start(choice, job, reference, pieces_in(choice.language), started)
            return self._start(choice, job, reference, pieces, time.monotonic())

        chain = SpeechChain(begin, choices, skipped)
        answer = chain.whole() if job.whole else chain.stream()
        if self._results is None or key is None:
            return answer
        answer.headers["X-Cache"] = "miss"
        return self._results.record(key, answer)

    def close(self) -> None:
        """Store what is finished; no request may come afterwards."""
        if self._results is not None:
            self._results.close()

    def configure(
        self, *, language: str | None, sample_name: str | None, keep_sample: bool
    ) -> Defaults:
        """Set the defaults, and prepare the default voice so that its first use is immediate.

        Args:
            language: None leaves it.
            sample_name: the new default recording; None removes it unless ``keep_sample``.
            keep_sample: leave the default recording as it is.

        Raises:
            InvalidRequest: the language is not spoken here, or the recording is no use.
            UnknownVoice: no such recording.
            NotReady: no engine is ready to check them.
        """
        new = self.defaults
        if language is not None:
            self._selection.choices(VoiceQuery(language))
            new = replace(new, language=language)
        if not keep_sample:
            if sample_name is not None:
                reference = self.folder.read(sample_name)
                choice = self._selection.choices(VoiceQuery(new.language, reference=True))[0]
                engine = self._engine(choice.engine)
                with self.host.slot(engine):
                    engine.prepare(reference)
            new = replace(new, voice_sample=sample_name)
        self._store.save(new)
        return new

    def _check_length(self, text: str) -> None:
        limit = self._settings.max_text_chars
        if len(text) > limit:
            raise TooLarge(f"the text is longer than {limit} characters", param="text")

    def _reference(self, job: SpeechJob) -> Reference | None:
        """The recording to follow: sent, named, called by a voice name, or set as the default."""
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
            v.id.lower() == low for o in self.ready_engines() for v in o.voices
        )

    def _choices(self, query: VoiceQuery) -> list[Choice]:
        try:
            return self._selection.choices(query)
        except UnknownVoice as error:
            error.details["samples"] = self.folder.names()
            raise

    def _wish(self, job: SpeechJob, follows_reference: bool) -> VoiceQuery:
        return VoiceQuery(
            default_language=self.defaults.language,
            language=job.language,
            voice=job.voice,
            engine=self._selection.engine_of_model(job.model),
            reference=follows_reference,
        )

    def _engine(self, name: str) -> TtsEngine:
        return next(e for e in self.host.engines() if e.spec.name == name)

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
        engine = self._engine(choice.engine)
        speed, parameters = _honoured(job, engine.spec.parameters)
        pieces = pieces_in(choice.language)
        return results.key(engine, choice, pieces, reference, speed, parameters)

    def _start(
        self,
        choice: Choice,
        job: SpeechJob,
        reference: Reference | None,
        pieces: tuple[Piece, ...],
        started: float,
    ) -> Attempt:
        engine = self._engine(choice.engine)
        honoured = engine.spec.parameters
        lease = self.host.lease(engine)
        try:
            prepared = engine.prepare(reference) if reference is not None else None
            speed, parameters = _honoured(job, honoured)
            request = SynthesisRequest(
                pieces=pieces,
                language=choice.language,
                voice=choice.voice,
                prepared=prepared,
                speed=speed,
                parameters=parameters,
            )
            stream = engine.synthesize(request)
            rate = stream.format.sample_rate
            primed = prime(metered(iter(stream.chunks), engine.spec.name, rate, started))
        except BaseException:
            lease.release()
            raise
        stream.chunks = closing_after(primed, lease.release)
        stream.headers.update(_headers(choice, prepared, rate, _ignored(job, honoured)))
        return Attempt(request, stream)


def _honoured(job: SpeechJob, honoured: frozenset[str]) -> tuple[float, dict[str, Any]]:
    """Speed and parameters as the engine gets them."""
    speed = job.speed if "speed" in honoured else 1.0
    return speed, {name: v for name, v in job.parameters.items() if name in honoured}


def _ignored(job: SpeechJob, honoured: frozenset[str]) -> list[str]:
    names = [name for name in job.parameters if name not in honoured]
    if job.speed != 1.0 and "speed" not in honoured:
        names.append("speed")
    return names


def _headers(
    choice: Choice, prepared: PreparedVoice | None, sample_rate: int, ignored: list[str]
) -> dict[str, str]:
    headers = {
        "X-Engine": choice.engine,
        "X-Voice": choice.voice.id if prepared is None else prepared.id,
        "X-Language": choice.language,
        "X-Sample-Rate": str(sample_rate),
    }
    if prepared is not None:
        headers["X-Voice-Method"] = prepared.method
        if prepared.similarity is not None:
            headers["X-Voice-Similarity"] = f"{prepared.similarity:.3f}"
    return headers | _ignored_header(ignored)


def _ignored_header(names: list[str]) -> dict[str, str]:
    # Names come from the request: only plain words may enter a header.
    plain = [name for name in names if _HEADER_WORD.fullmatch(name)][:32]
    return {"X-Ignored-Parameters": ", ".join(plain)} if plain else {}
