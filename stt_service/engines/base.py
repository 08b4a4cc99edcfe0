"""Base classes of the speech recognition engines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from shared.audio.pcm import Float32
from shared.core.errors import InvalidRequest
from shared.core.streaming import close_quietly
from shared.engines.registry import EngineSpec
from shared.wire.transcription import Segment

SAMPLE_RATE = 16_000
"""Sample rate of all engine input, Hz."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a transcription.

    Attributes:
        language: language tag of the recording; None detects it.
        task: ``transcribe``, or ``translate`` for English text.
        prompt: names and spellings to prefer.
        temperature: sampling temperature; None lets the engine choose one and retry with others.
        word_times: return the words of each segment with their times.
        segment_times: return segments as fine as the engine can; else one per passage is enough.
    """

    language: str | None = None
    task: Literal["transcribe", "translate"] = "transcribe"
    prompt: str | None = None
    temperature: float | None = None
    word_times: bool = False
    segment_times: bool = False


@dataclass(slots=True)
class Recognition:
    """A transcription in progress, which yields its segments and stops when it is closed.

    ``language`` and ``language_probability`` are set once the first segment was taken. They stay
    None where the recording has no speech.
    """

    segments: Iterator[Segment]
    language: str | None = None
    language_probability: float | None = None
    warnings: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Segment]:
        return self.segments

    def close(self) -> None:
        """Stop after the current segment. Safe to call twice."""
        close_quietly(self.segments)


class Session(ABC):
    """A recognition session for one utterance that arrives in chunks."""

    @abstractmethod
    def feed(self, samples: Float32) -> None:
        """Add audio: float32 at 16 kHz mono, any length."""

    @abstractmethod
    def finish(self) -> Recognition:
        """Transcribe everything fed so far and end the session."""

    @abstractmethod
    def close(self) -> None:
        """Discard the session and its audio."""


class SttEngine(ABC):
    """A speech recognition engine, which holds the weights; a session holds an utterance's state.

    Attributes:
        spec: declared capabilities.
        device: where the model runs (``cpu``, ``cuda:0``); known after :meth:`load`.
        knows_words: False for a test engine without a model, whose text is not what was spoken.
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
        """Transcribe audio blocks in memory that does not grow with the length of the audio.

        Args:
            blocks: float32 at 16 kHz mono, any lengths; consumed while segments are taken.
            options: options of the transcription.

        Raises:
            InvalidRequest: the engine does not know the language (also while iterating).
            EngineFailure: the model failed (while iterating).
        """

    def _require_known(self, language: str | None) -> None:
        """Check that the engine supports a language.

        None is always accepted, and so is every language where the engine declares none.

        Raises:
            InvalidRequest: the language is not supported; the details list those that are.
        """
        if language and self.spec.languages and language not in self.spec.languages:
            raise InvalidRequest(
                f"language '{language}' is not known to this engine",
                param="language",
                details={"available": sorted(self.spec.languages)},
            )

    def _only_language(self) -> str | None:
        """Return the language of a monolingual model, else None.

        Such a model need not, or cannot, detect the language.
        """
        return next(iter(self.spec.languages)) if len(self.spec.languages) == 1 else None

    def open_session(self, options: Options) -> Session:
        """Open a session for incremental audio; this one buffers the audio until ``finish``."""
        return _BufferingSession(self, options)


class _BufferingSession(Session):
    """A session that buffers the audio, for engines without incremental recognition."""

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
