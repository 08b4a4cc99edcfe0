"""NVIDIA Parakeet, or any other NeMo recogniser with a TDT, RNNT or CTC head.

Speech passages (:mod:`stt_service.engines.pause_splitting`) of all requests are batched through
the model. NeMo's ``transcribe()`` may be called from one thread only: the batcher's.
"""

from __future__ import annotations

import contextvars
import copy
import logging
import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.audio.pcm import Float32
from shared.core.errors import InvalidRequest, NotReady
from shared.engines.batching import Batcher, Limits
from shared.engines.device import resolve_torch_device
from shared.engines.model_errors import OutOfMemory, out_of_memory_as_error
from shared.engines.registry import EngineSpec
from shared.models.hub.catalogue import licence_of
from shared.wire.transcription import Segment, Word
from stt_service.engines.base import SAMPLE_RATE, Options, Recognition, SttEngine
from stt_service.engines.pause_splitting import Lengths, Passage, passages
from stt_service.engines.voice_activity import SpeechDetector, level
from stt_service.settings import SttSettings

log = logging.getLogger(__name__)

# fmt: off
_EUROPEAN = frozenset({
    "bg", "hr", "cs", "da", "nl", "en", "et", "fi", "fr", "de", "el", "hu", "it", "lv", "lt", "mt",
    "pl", "pt", "ro", "sk", "sl", "es", "sv", "ru", "uk",
})
# fmt: on
"""Languages of parakeet-tdt-0.6b-v3, by its model card; the model detects them itself."""
_SHORTEST = SAMPLE_RATE // 10
"""Minimum passage length in samples.

Shorter passages are padded, since the encoder's subsampling would leave no frame.
"""
_AHEAD = 4
"""Passages of one recording that are queued at once, so that a long recording fills batches too."""
_WARM_UP_S = 2.0
_LEAST_PROBABILITY = 1e-6
_FULL_ATTENTION = Lengths(buffer_s=60.0, passage_s=55.0)
_LOCAL_ATTENTION = Lengths(buffer_s=600.0, passage_s=590.0)
_LOCAL_CONTEXT = [128, 128]
"""Attention context to each side in frames of 80 ms.

The value is from NVIDIA's model cards of the FastConformer models for long audio.
"""


@dataclass(frozen=True, slots=True)
class _Heard:
    """The model's result for one passage; times in seconds from its start."""

    text: str
    words: tuple[Word, ...]
    sentences: tuple[tuple[float, float, str], ...]
    tokens: tuple[int, ...]
    logprob: float


def build(settings: SttSettings) -> ParakeetEngine:
    """Return the engine for ``PARAKEET_MODEL``."""
    return ParakeetEngine(settings)


class ParakeetEngine(SttEngine):
    """A NeMo recognition engine with dynamic batching."""

    def __init__(self, settings: SttSettings) -> None:
        self._settings = settings
        self._model: Any = None
        self._detect: SpeechDetector | None = None
        self._batcher: Batcher[Float32, _Heard] | None = None
        self._lengths = _FULL_ATTENTION
        name = settings.parakeet_model.rsplit("/", 1)[-1].removesuffix(".nemo")
        licence, commercial_use = licence_of(settings.parakeet_model)
        self.spec = EngineSpec(
            name="parakeet",
            model=name,
            licence=licence,
            commercial_use=commercial_use,
            languages=frozenset(settings.parakeet_languages) or _languages_of(name),
            parameters=frozenset({"language", "timestamps"}),
            # Admission lets two batches in: one runs while the next one fills.
            max_concurrency=2 * settings.batch_items,
            sample_rate=SAMPLE_RATE,
        )

    def load(self) -> None:
        """Load the model archive onto ``STT_DEVICE``.

        Raises:
            NotReady: the device or the archive is not available.
        """
        self.device = resolve_torch_device(self._settings.stt_device)
        from nemo.collections.asr.models import ASRModel

        from shared.models.hub.nemo_archive import restore

        settings = self._settings
        model = restore(ASRModel, settings.parakeet_model, self.device, settings.home)
        _with_confidence(model)
        if settings.parakeet_attention == "local":
            model.change_attention_model("rel_pos_local_attn", _LOCAL_CONTEXT)
            model.change_subsampling_conv_chunking_factor(1)
            self._lengths = _LOCAL_ATTENTION
        self._model = model
        self._detect = SpeechDetector()
        self._batcher = Batcher(
            "parakeet",
            self._run,
            limits=Limits(
                settings.batch_items,
                int(settings.parakeet_batch_seconds * SAMPLE_RATE),
                settings.batch_patience_ms / 1000,
            ),
            queue_limit=_AHEAD * (settings.queue_limit + 2 * settings.batch_items),
            queue_timeout_s=settings.queue_timeout_s,
        )

    def warm_up(self) -> None:
        """Recognise faint noise with timestamps: two seconds, and on a GPU the largest batch.

        The decoder records its CUDA graph again for each batch that is larger than any before it,
        which blocks all callers.
        """
        source = np.random.default_rng(0)
        lengths = [_WARM_UP_S]
        if self.device != "cpu":
            longest_s = min(self._lengths.passage_s, self._settings.parakeet_batch_seconds)
            fits = int(self._settings.parakeet_batch_seconds / longest_s)
            lengths += [longest_s] * min(fits, self._settings.batch_items)
        noises = [
            source.normal(0, 0.01, round(s * SAMPLE_RATE)).astype(np.float32) for s in lengths
        ]
        self._hear(noises[0], caller="warm-up")
        if noises[1:]:
            try:
                self._run(noises[1:])
            except OutOfMemory:
                log.warning("the largest batch does not fit; it will be run in parts")

    def close(self) -> None:
        """Stop the batcher and free the model."""
        if self._batcher is not None:
            self._batcher.close()
        self._batcher = self._model = self._detect = None

    def transcribe(self, blocks: Iterable[Float32], options: Options) -> Recognition:
        """Transcribe audio blocks; see :class:`SttEngine`.

        The model detects the language itself: an unsupported ``language`` is refused and a
        supported one has no effect.
        """
        self._require_known(options.language)
        if options.task == "translate":
            raise InvalidRequest(f"{self.spec.model} transcribes and does not translate")
        made = Recognition(iter(()))
        ignored = [name for name in ("prompt", "temperature") if getattr(options, name)]
        if ignored:
            made.warnings.append(f"not honoured by {self.spec.model}: {', '.join(ignored)}")
        made.segments = self._segments(blocks, options, made)
        return made

    def _segments(
        self, blocks: Iterable[Float32], options: Options, made: Recognition
    ) -> Iterator[Segment]:
        if self._detect is None:
            raise NotReady("parakeet is not loaded")
        number = 0
        for passage, heard in self._heard(passages(blocks, self._detect, self._lengths)):
            if not any(character.isalnum() for character in heard.text):
                continue
            if made.language is None:
                made.language = self._language(options)
                made.language_probability = 1.0 if made.language else None
            for segment in _placed(passage, heard, options):
                segment.id = number
                number += 1
                yield segment

    def _language(self, options: Options) -> str | None:
        """Return the language as far as it is known.

        The model does not report which of several languages it detected.
        """
        return self._only_language() or options.language

    def _heard(self, found: Iterator[Passage]) -> Iterator[tuple[Passage, _Heard]]:
        """Yield passages with their results in order, a few of them processed concurrently."""
        caller = object()
        context = contextvars.copy_context()
        pending: deque[tuple[Passage, Future[_Heard]]] = deque()
        pool = ThreadPoolExecutor(_AHEAD, thread_name_prefix="parakeet")
        try:
            for passage in found:
                samples = level(passage.samples)
                task = pool.submit(context.copy().run, self._hear, samples, caller=caller)
                pending.append((passage, task))
                if len(pending) == _AHEAD:
                    first, done = pending.popleft()
                    yield first, done.result()
            while pending:
                first, done = pending.popleft()
                yield first, done.result()
        finally:
            # Tasks waiting in the pool are cancelled; those in the batcher's queue end soon.
            pool.shutdown(wait=False, cancel_futures=True)

    def _hear(self, samples: Float32, *, caller: object) -> _Heard:
        if self._batcher is None:
            raise NotReady("parakeet is not loaded")
        return self._batcher.submit(samples, length=len(samples), caller=caller)

    def _run(self, batch: list[Float32]) -> list[_Heard]:
        """Run the model on a batch and return one result per item.

        Raises:
            OutOfMemory: the batch does not fit in the device's memory.
        """
        import torch

        padded = [np.pad(samples, (0, max(0, _SHORTEST - len(samples)))) for samples in batch]
        try:
            with out_of_memory_as_error(self.device), torch.inference_mode():
                found = self._model.transcribe(
                    padded,
                    batch_size=len(padded),
                    return_hypotheses=True,
                    timestamps=True,
                    verbose=False,
                )
        except Exception:
            if self.device != "cpu":
                # The decoder may have failed while it recorded its CUDA graph, and would replay an
                # incomplete graph from now on.
                self._model.maybe_enable_cuda_graphs(force_reinit=True)
            raise
        return [_heard(hypothesis) for hypothesis in found]


def _languages_of(name: str) -> frozenset[str]:
    """Derive the languages from NVIDIA's model names, as ``stt_es_…``, ``parakeet-…-ja``, ``…-v3``.

    Empty where the name has none.
    """
    if found := re.match(r"stt_([a-z]{2})_", name):
        return frozenset(found.groups())
    if not name.startswith("parakeet"):
        return frozenset()
    if name.endswith("-v3"):
        return _EUROPEAN
    found = re.search(r"-([a-z]{2})$", name)
    return frozenset(found.groups()) if found else frozenset({"en"})


def _with_confidence(model: Any) -> None:
    """Configure the decoder to keep each word's probability (its least likely token's)."""
    from omegaconf import open_dict

    decoding = copy.deepcopy(model.cfg.decoding)
    with open_dict(decoding):
        decoding.confidence_cfg = {
            "preserve_frame_confidence": True,
            "preserve_token_confidence": True,
            "preserve_word_confidence": True,
            "exclude_blank": True,
            "aggregation": "min",
            "method_cfg": {"name": "max_prob"},
        }
    model.change_decoding_strategy(decoding, verbose=False)


def _heard(hypothesis: Any) -> _Heard:
    """Convert NeMo's hypothesis, whose numbers are tensors and NumPy scalars."""
    times = hypothesis.timestamp or {}
    confidence = hypothesis.word_confidence or []
    found = times.get("word", [])
    exact = len(confidence) == len(found)
    words = tuple(
        Word(
            word=str(entry["word"]),
            start=float(entry["start"]),
            end=float(entry["end"]),
            probability=float(confidence[index]) if exact else None,
        )
        for index, entry in enumerate(found)
    )
    sentences = tuple(
        (float(entry["start"]), float(entry["end"]), str(entry["segment"]))
        for entry in times.get("segment", [])
    )
    tokens = tuple(int(token) for token in hypothesis.y_sequence)
    # The hypothesis' score is not used: on a GPU NeMo sums unnormalised values into it.
    sure = [max(float(value), _LEAST_PROBABILITY) for value in hypothesis.token_confidence or []]
    logprob = float(np.log(sure).mean()) if sure else 0.0
    return _Heard(hypothesis.text.strip(), words, sentences, tokens, logprob)


def _placed(passage: Passage, heard: _Heard, options: Options) -> list[Segment]:
    """Convert a passage's result to segments with times from the start of the recording."""
    end_s = len(passage.samples) / SAMPLE_RATE

    def place(seconds: float) -> float:
        return passage.start_s + min(max(0.0, seconds), end_s)

    words = [
        word.model_copy(update={"start": place(word.start), "end": place(word.end)})
        for word in heard.words
    ]
    spans = heard.sentences if options.segment_times and heard.sentences else None
    made = []
    for start, end, text in spans or ((0.0, end_s, heard.text),):
        own = [w for w in words if place(start) - 1e-6 <= w.start <= place(end)]
        made.append(
            Segment(
                start=place(start),
                end=place(end),
                text=" " + text.strip(),
                tokens=list(heard.tokens) if spans is None else [],
                seek=int(passage.start_s * 100),
                avg_logprob=heard.logprob,
                words=own if options.word_times else None,
            )
        )
    return made
