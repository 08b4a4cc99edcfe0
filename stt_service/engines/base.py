"""What every recogniser is to the service: segments out of blocks of audio, lazily."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from shared.audio.pcm import Float32
from shared.core.errors import InvalidRequest
from shared.engines.registry import EngineSpec
from shared.wire.transcription import Segment

SAMPLE_RATE = 16_000
"""Hz; the rate of all audio that engines take."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to transcribe.

    Attributes:
        language: tag to take for granted; detected where None.
        task: ``translate`` gives English text.
        prompt: names and spellings to prefer.
        temperature: of sampling; None lets the engine choose and retry.
        word_times: give each segment its words.
        segment_times: give segments as fine as the engine can; else one a passage will do.
    """

    language: str | None = None
    task: Literal["transcribe", "translate"] = "transcribe"
    prompt: str | None = None
    temperature: float | None = None
    word_times: bool = False
    segment_times: bool = False


@dataclass(slots=True)
class Recognition:
    """A transcription being made: iterate over its segments; close it to stop the work.

    ``language`` and ``language_probability`` are known once the first segment was taken, and stay
    None where nothing was said.
    """

    segments: Iterator[Segment]
    language: str | None = None
    language_probability: float | None = None
    warnings: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Segment]:
        return self.segments

    def close(self) -> None:
        """Stop between two segments; safe to call twice."""
        close = getattr(self.segments, "close", None)
        if close is not None:
            close()


class Session(ABC):
    """One utterance fed piece by piece."""

    @abstractmethod
    def feed(self, samples: Float32) -> None:
        """Add audio: float32 at 16 kHz mono, any length."""

    @abstractmethod
    def finish(self) -> Recognition:
        """The transcription of everything fed; the session takes no more."""

    @abstractmethod
    def close(self) -> None:
        """Throw the session away."""


class SttEngine(ABC):
    """A recogniser. Weights live here; the state of an utterance lives in a session.

    Attributes:
        spec: declared capabilities.
        device: where the model runs: ``cpu``, ``cuda:0``; known after :meth:`load`.
        knows_words: False for a stand-in without a model, whose text is not what was said.
    """

    spec: EngineSpec
    device: str = "cpu"
    knows_words: bool = True

    @abstractmethod
    def load(self) -> None:
        """Import the model library and load the weights.

        Raises:
            NotReady: the library or the weights are missing.
        """

    @abstractmethod
    def warm_up(self) -> None:
        """Run one real inference."""

    @abstractmethod
    def close(self) -> None:
        """Free the model."""

    @abstractmethod
    def transcribe(self, blocks: Iterable[Float32], options: Options) -> Recognition:
        """Transcribe audio that arrives in blocks, in memory that its length does not change.

        Args:
            blocks: float32 at 16 kHz mono, any lengths; consumed while segments are taken.
            options: how.

        Raises:
            InvalidRequest: a language the engine does not know (also while iterating).
            EngineFailure: the model failed (while iterating).
        """

    def _require_known(self, language: str | None) -> None:
        """Refuse a language that the engine does not declare; None is any, and so is each where it
        declares none.

        Raises:
            InvalidRequest: with those there are.
        """
        if language and self.spec.languages and language not in self.spec.languages:
            raise InvalidRequest(
                f"language '{language}' is not known to this engine",
                param="language",
                details={"available": sorted(self.spec.languages)},
            )

    def _only_language(self) -> str | None:
        """Of a model that has one, which need not or cannot say what it hears."""
        return next(iter(self.spec.languages)) if len(self.spec.languages) == 1 else None

    def open_session(self, options: Options) -> Session:
        """A session for incremental audio; this one keeps the audio until :meth:`finish`."""
        return _BufferingSession(self, options)


class _BufferingSession(Session):
    """For engines that cannot recognise incrementally, so that callers need not know."""

    def __init__(self, engine: SttEngine, options: Options) -> None:
        self._engine = engine
        self._options = options
        self._blocks: list[Float32] | None = []

    def feed(self, samples: Float32) -> None:
        if self._blocks is None:
            raise ValueError("the session has ended")
        self._blocks.append(samples)

    def finish(self) -> Recognition:
        if self._blocks is None:
            raise ValueError("the session has ended")
        blocks, self._blocks = self._blocks, None
        return self._engine.transcribe(blocks, self._options)

    def close(self) -> None:
        self._blocks = None
