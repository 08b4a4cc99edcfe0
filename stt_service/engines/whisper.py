"""Whisper through faster-whisper, with voice activity detection, a fast path and a full path.

The speech detector runs first and only passages with speech reach the model, so that silence, noise
and music give no text. Without timestamps a passage is decoded on the fast path
(:mod:`stt_service.engines.whisper_fast`), and again on the full path when the result looks wrong.
On a GPU the passages of a long recording are decoded in batches
(:mod:`stt_service.engines.whisper_batched`).
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from shared.audio.pcm import Float32
from shared.core.errors import NotReady
from shared.engines.device import resolve_device
from shared.engines.model_errors import as_mesh_errors
from shared.engines.registry import EngineSpec
from shared.models import locate
from shared.models.hub.catalogue import WHISPER_REPOSITORIES, licence_of, whisper_repository
from shared.wire.transcription import Segment
from stt_service.engines.base import SAMPLE_RATE, Options, Recognition, SttEngine
from stt_service.engines.pause_splitting import Passage, passages
from stt_service.engines.voice_activity import SpeechDetector, level
from stt_service.engines.whisper_batched import BatchedPath, grouped
from stt_service.engines.whisper_fast import FastPath, looks_wrong
from stt_service.engines.whisper_segment import as_segment
from stt_service.settings import SttSettings

log = logging.getLogger(__name__)

BEAM = 5
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Whisper's temperature fallback (Radford et al. 2022, section 4.5)."""
MAX_COMPRESSION = 2.4
MIN_LOGPROB = -1.0
"""Failure thresholds of Whisper's decoding, from the same section.

A higher compression ratio or a lower mean log probability means that decoding failed.
"""
NO_SPEECH = 0.6
_SURE_LOGPROB = -0.6
"""Minimum mean log probability of a passage that the model classifies as no speech.

The speech detector has classified it as speech, so one of the two is wrong.
"""
_MISSED_S = 1.5
"""Tolerance for the end of the text before the end of a passage, which ends in speech.

It covers the detector's padding and the inaccuracy of Whisper's timestamps.
"""
_LOOP_SETTINGS = {"repetition_penalty": 1.15, "no_repeat_ngram_size": 3}
"""Decoding options for the one retry of a passage that repeats itself."""
_DETECT_S = 30
SURE_LANGUAGE = 0.8
"""Minimum probability of a language detected in a short window.

Below it the language is detected again on Whisper's full window, on which the model was trained.
"""


def build(settings: SttSettings) -> WhisperEngine:
    """Return the engine for ``WHISPER_MODEL`` on ``WHISPER_DEVICE``."""
    return WhisperEngine(settings)


class WhisperEngine(SttEngine):
    """A faster-whisper engine that decodes one request at a time with all its threads."""

    def __init__(self, settings: SttSettings) -> None:
        self._settings = settings
        self._model: Any = None
        self._fast: FastPath | None = None
        self._batched: BatchedPath | None = None
        self._detect: SpeechDetector | None = None
        name = settings.whisper_model
        licence, commercial_use = licence_of(WHISPER_REPOSITORIES.get(name, name))
        self.spec = EngineSpec(
            name="whisper",
            model=f"whisper-{name}",
            licence=licence,
            commercial_use=commercial_use,
            languages=frozenset(),
            parameters=frozenset({"language", "prompt", "temperature", "timestamps", "task"}),
            max_concurrency=1,
            sample_rate=SAMPLE_RATE,
        )

    def load(self) -> None:
        """Load the weights from a folder or from a model prepared by name, without network access.

        Raises:
            NotReady: the weights are missing, or the device is not available.
            UnknownModel: ``WHISPER_MODEL`` is neither a folder nor a known name.
        """
        from faster_whisper import WhisperModel

        settings = self._settings
        self.device = _device(settings)
        kind, _, number = self.device.partition(":")
        try:
            self._model = WhisperModel(
                self._weights(),
                device=kind,
                device_index=int(number or 0),
                compute_type=settings.compute_type(kind),
                cpu_threads=settings.threads,
                num_workers=1,
                local_files_only=True,
            )
        except (ValueError, RuntimeError, OSError) as error:
            raise NotReady(
                f"Whisper '{settings.whisper_model}' could not be loaded on {self.device}"
            ) from error
        if (size := settings.whisper_batch_size(kind)) > 1:
            self._batched = BatchedPath(self._model, BEAM, size, self.device)
        self._detect = SpeechDetector()
        self._fast = FastPath(self._model, BEAM)
        self.spec = replace(self.spec, languages=frozenset(self._model.supported_languages))

    def warm_up(self) -> None:
        """Decode one second of faint noise on all paths.

        Only a few tokens are decoded, without the retries that noise would always cause.
        """
        noise = np.random.default_rng(0).normal(0, 0.01, SAMPLE_RATE).astype(np.float32)
        fast = self._require_fast()
        with self._faults():
            fast.decode(fast.encode(noise), 1.0, "en", Options())
            self._full(noise, "en", Options(temperature=0.0), {"max_new_tokens": 4})
            if self._batched is not None:
                self._batched.decode([noise] * self._batched.size, "en", Options())

    def close(self) -> None:
        """Free the model."""
        self._model = self._fast = self._batched = self._detect = None

    def transcribe(self, blocks: Iterable[Float32], options: Options) -> Recognition:
        """Transcribe audio blocks; see :class:`SttEngine`."""
        self._require_known(options.language)
        made = Recognition(iter(()))
        made.segments = self._segments(blocks, options, made)
        return made

    def _weights(self) -> str:
        name = self._settings.whisper_model
        if name == "base":
            return str(locate("whisper-base", self._settings.home))
        path = Path(name)
        if path.is_dir():
            return str(path)
        return str(locate(whisper_repository(name), self._settings.home))

    def _require_fast(self) -> FastPath:
        if self._fast is None:
            raise NotReady("whisper is not loaded")
        return self._fast

    def _segments(
        self, blocks: Iterable[Float32], options: Options, made: Recognition
    ) -> Iterator[Segment]:
        if self._detect is None:
            raise NotReady("whisper is not loaded")
        language = options.language or self._only_language()
        number = 0
        size = self._batched.size if self._batched is not None else 1
        for group in grouped(passages(blocks, self._detect), size):
            levelled = [level(passage.samples) for passage in group]
            with self._faults():
                encoded = self._encode_fast(levelled[0], options) if len(group) == 1 else None
                if language is None:
                    language, made.language_probability = self._language(levelled[0], encoded)
                found = list(self._group(group, levelled, encoded, language, options))
            for segment in found:
                segment.id = number
                number += 1
                made.language = language
                if made.language_probability is None:
                    made.language_probability = 1.0
                yield segment

    def _group(
        self,
        group: list[Passage],
        levelled: list[Float32],
        encoded: Any,
        language: str,
        options: Options,
    ) -> Iterator[Segment]:
        if self._batched is None or len(group) == 1:
            for passage, samples in zip(group, levelled, strict=True):
                yield from self._passage(passage, samples, encoded, language, options)
            return
        found = self._batched.decode(levelled, language, options)
        for passage, samples, segments in zip(group, levelled, found, strict=True):
            whole = segments and not _ends_early(segments, len(samples) / SAMPLE_RATE)
            if whole and not any(_failed(segment) for segment in segments):
                yield from self._placed(passage, segments)
            else:
                log.debug("batched result looks wrong, decoding the passage alone")
                yield from self._passage(passage, samples, None, language, options)

    def _faults(self) -> AbstractContextManager[None]:
        """Return a context that converts the library's exceptions to mesh errors."""
        return as_mesh_errors("whisper", self.device, "this recording")

    def _encode_fast(self, samples: Float32, options: Options) -> Any:
        """Encode a passage in a short window where the fast path applies, else return None."""
        fast = self._require_fast()
        timed = options.word_times or options.segment_times
        return fast.encode(samples) if not timed and fast.takes(samples) else None

    def _language(self, samples: Float32, encoded: Any) -> tuple[str, float]:
        if encoded is not None:
            tag, probability = self._require_fast().language(encoded)
            if probability >= SURE_LANGUAGE:
                return tag, probability
        tag, probability, _ = self._model.detect_language(
            audio=samples[: _DETECT_S * SAMPLE_RATE], vad_filter=False
        )
        return tag, float(probability)

    def _passage(
        self, passage: Passage, samples: Float32, encoded: Any, language: str, options: Options
    ) -> list[Segment]:
        if encoded is not None and not options.temperature:
            seconds = len(samples) / SAMPLE_RATE
            found = self._require_fast().decode(encoded, seconds, language, options)
            if not looks_wrong(found, seconds):
                return self._placed(passage, [found])
            log.debug("fast path result looks wrong, decoding in full")
        segments = self._full(samples, language, options, {})
        if any(segment.compression_ratio > MAX_COMPRESSION for segment in segments):
            retried = self._full(samples, language, options, _LOOP_SETTINGS)
            segments = min(segments, retried, key=_repetition)
        return self._placed(passage, segments)

    def _full(
        self, samples: Float32, language: str, options: Options, extra: dict[str, Any]
    ) -> list[Segment]:
        temperature = TEMPERATURES if options.temperature is None else options.temperature
        made, _ = self._model.transcribe(
            samples,
            language=language,
            task=options.task,
            beam_size=BEAM,
            temperature=temperature,
            compression_ratio_threshold=MAX_COMPRESSION,
            log_prob_threshold=MIN_LOGPROB,
            no_speech_threshold=NO_SPEECH,
            condition_on_previous_text=False,
            initial_prompt=options.prompt,
            word_timestamps=options.word_times,
            vad_filter=False,
            **extra,
        )
        return [as_segment(found) for found in made]

    def _placed(self, passage: Passage, segments: list[Segment]) -> list[Segment]:
        """Drop segments without speech and shift times to the start of the recording."""
        end_s = len(passage.samples) / SAMPLE_RATE
        kept = []
        for segment in segments:
            unlikely = segment.no_speech_prob > NO_SPEECH and segment.avg_logprob < _SURE_LOGPROB
            if unlikely or not any(c.isalnum() for c in segment.text):
                continue
            segment.start = passage.start_s + min(segment.start, end_s)
            segment.end = passage.start_s + min(segment.end, end_s)
            segment.seek = int(passage.start_s * 100)
            for word in segment.words or []:
                word.start += passage.start_s
                word.end += passage.start_s
            kept.append(segment)
        return kept


def _device(settings: SttSettings) -> str:
    """Return the device for CTranslate2.

    Raises:
        NotReady: a requested GPU is not usable.
    """
    import ctranslate2

    wanted = settings.whisper_device or settings.stt_device
    return resolve_device(wanted, gpus=ctranslate2.get_cuda_device_count())


def _failed(segment: Segment) -> bool:
    return segment.compression_ratio > MAX_COMPRESSION or segment.avg_logprob < MIN_LOGPROB


def _ends_early(segments: list[Segment], seconds: float) -> bool:
    """Check whether the text ends before the speech of a passage does.

    A batch decodes each passage once, and the model may stop at a timestamp in the middle of it.
    """
    return max(segment.end for segment in segments) < seconds - _MISSED_S


def _repetition(segments: list[Segment]) -> float:
    """Return the compression ratio of the whole text, which is high for repeated text."""
    text = "".join(segment.text for segment in segments).encode()
    return len(text) / len(zlib.compress(text)) if text else 0.0
