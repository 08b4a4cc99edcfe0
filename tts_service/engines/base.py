"""What a speech synthesis engine is to the service."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from shared.audio.pcm import PcmStream
from shared.core.errors import InvalidRequest
from shared.engines.registry import EngineSpec

Gender = Literal["female", "male", "unknown"]


@dataclass(frozen=True, slots=True)
class EngineVoice:
    """A built-in voice.

    Attributes:
        id: unique within its engine; ``engine/id`` is unique in the mesh.
        language: the tag it speaks natively (``en-gb``).
        languages: all tags it can be asked to speak, the native one included.
        gender: of the voice's sound.
    """

    id: str
    language: str
    languages: frozenset[str]
    gender: Gender = "unknown"


@dataclass(frozen=True, slots=True)
class Reference:
    """A recording of the voice that the answer should sound like.

    Attributes:
        audio: the file's bytes, any format that FFmpeg reads.
        name: what people call it (the file's stem, or ``sample``).
        transcript: what is said in it; empty where nobody wrote it down.
    """

    audio: bytes
    name: str
    transcript: str = ""


@dataclass(frozen=True, slots=True)
class PreparedVoice:
    """A reference as its engine keeps it.

    Attributes:
        id: stable for the same recording; usable in ``X-Voice`` and as a cache key.
        method: ``"matching"`` or ``"cloning"``, honestly.
        data: the engine's own representation, opaque to the service.
        similarity: cosine of speaker embeddings where the engine measures it.
    """

    id: str
    method: Literal["matching", "cloning"]
    data: Any
    similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of normalised text that is spoken in one go.

    Attributes:
        text: spoken form, no digits or symbols left where the language's normaliser knows them.
        pause_s: silence after it, seconds at speed 1.
    """

    text: str
    pause_s: float = 0.0


@dataclass(slots=True)
class Progress:
    """How far an answer has come; its engine writes it, whoever may replace the engine reads it.

    Attributes:
        piece: index of the piece at work: all before it were given out to their end. None: the
            engine does not keep count, and nobody can go on where it stopped.
        begun: sound of that piece has been given out.
    """

    piece: int | None = None
    begun: bool = False


@dataclass(frozen=True, slots=True)
class SynthesisRequest:
    """One answer to be spoken, already resolved: no defaults are left to the engine.

    Attributes:
        pieces: at least one.
        language: a tag of the engine's spec.
        voice: the built-in voice; with ``prepared`` the one to fall back on for anything that the
            prepared voice does not define.
        prepared: the voice made of a reference by this engine's :meth:`TtsEngine.prepare`.
        speed: 1 = the voice's own pace; 0.25 to 4.
        parameters: further parameters, only those that ``spec.parameters`` names.
        progress: kept by the engine while it speaks.
    """

    pieces: tuple[Piece, ...]
    language: str
    voice: EngineVoice
    prepared: PreparedVoice | None = None
    speed: float = 1.0
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    progress: Progress = field(default_factory=Progress)


class TtsEngine(ABC):
    """A model that speaks. Constructed cheaply; :meth:`load` imports its library.

    Attributes:
        device: where the model runs: ``cpu``, ``cuda:0``, ``remote``; known after :meth:`load`.
    """

    device: str = "cpu"

    @property
    @abstractmethod
    def spec(self) -> EngineSpec:
        """Declared capabilities; available before :meth:`load`."""

    @abstractmethod
    def load(self) -> None:
        """Import the library and load the weights; blocks.

        Raises:
            NotReady: weights are not prepared, or a library is missing.
            ModelDamaged: weights are wrong.
        """

    @abstractmethod
    def warm_up(self) -> None:
        """Speak something short, so that the first request is not the first inference."""

    @abstractmethod
    def close(self) -> None:
        """Free the model. Safe to call twice, and before :meth:`load`."""

    @abstractmethod
    def voices(self) -> Sequence[EngineVoice]:
        """Built-in voices, the default of each language before its others; after :meth:`load`."""

    @abstractmethod
    def synthesize(self, request: SynthesisRequest) -> PcmStream:
        """Speak ``request``; chunks are made as they are taken.

        The stream is mono int16 at ``spec.sample_rate``, about -23 LUFS, peaks ≤ -1 dBFS.
        Closing it stops the work before the next chunk.

        Raises (on the first chunk, not here):
            InvalidRequest: nothing in the text can be spoken in this language.
            EngineFailure: the model failed.
        """

    def fingerprint(self) -> Mapping[str, object]:
        """What decides the sound beyond ``spec.model`` and the request, after :meth:`load`: digests
        of weights, precision, the address of a remote model. Part of the key of cached answers, so
        strings, numbers, and mappings and sequences of them.
        """
        return {}

    def language_hints(self) -> Mapping[str, str]:
        """Languages that the model knows and cannot speak here → what would enable each."""
        return {}

    def prepare(self, reference: Reference) -> PreparedVoice:
        """Make a voice of a recording; cached by its content.

        Raises:
            InvalidRequest: this engine cannot, or the recording is too short or has no speech.
            UnsupportedMedia: the recording cannot be decoded.
        """
        raise InvalidRequest(
            f"engine '{self.spec.name}' has fixed voices; it cannot follow the sample "
            f"'{reference.name}'",
            param="voice_sample",
        )
