"""Base classes of the speech synthesis engines."""

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
        language: the voice's native language tag (``en-gb``).
        languages: all supported tags, including the native one.
        gender: perceived gender of the voice.
    """

    id: str
    language: str
    languages: frozenset[str]
    gender: Gender = "unknown"


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference recording for voice cloning or matching.

    Attributes:
        audio: the file's bytes, any format that FFmpeg reads.
        name: display name (the file's stem, or ``sample``).
        transcript: text spoken in the recording; empty where unknown.
    """

    audio: bytes
    name: str
    transcript: str = ""


@dataclass(frozen=True, slots=True)
class PreparedVoice:
    """A voice that an engine prepared from a reference.

    Attributes:
        id: stable for the same recording; usable in ``X-Voice`` and as a cache key.
        method: the method actually used: ``"matching"`` or ``"cloning"``.
        data: the engine's own representation, opaque to the service.
        similarity: cosine of speaker embeddings where the engine measures it.
    """

    id: str
    method: Literal["matching", "cloning"]
    data: Any
    similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A unit of normalised text that is synthesised at once.

    Attributes:
        text: spoken form, without digits and symbols where the language's normaliser supports them.
        pause_s: silence after it, seconds at speed 1.
    """

    text: str
    pause_s: float = 0.0


@dataclass(slots=True)
class Progress:
    """The progress of a synthesis, written by its engine and read for fallback.

    Attributes:
        piece: index of the current piece; all pieces before it were output completely. None: the
            engine does not track progress, and no other engine can continue.
        begun: audio of the current piece has been output.
    """

    piece: int | None = None
    begun: bool = False


@dataclass(frozen=True, slots=True)
class SynthesisRequest:
    """A request to an engine with all defaults resolved.

    Attributes:
        pieces: at least one.
        language: a tag of the engine's spec.
        voice: the built-in voice; with ``prepared``, the source of anything that the prepared voice
            does not define.
        prepared: the voice that this engine's :meth:`TtsEngine.prepare` made from a reference.
        speed: 1 = the voice's own pace; 0.25 to 4.
        parameters: further parameters, only those in ``spec.parameters``.
        progress: updated by the engine during synthesis.
    """

    pieces: tuple[Piece, ...]
    language: str
    voice: EngineVoice
    prepared: PreparedVoice | None = None
    speed: float = 1.0
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    progress: Progress = field(default_factory=Progress)


class TtsEngine(ABC):
    """A speech synthesis engine. The constructor is cheap; :meth:`load` imports the library.

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
            NotReady: the weights are not prepared, or a library is missing.
            ModelDamaged: the weights are damaged.
        """

    @abstractmethod
    def warm_up(self) -> None:
        """Synthesise a short text, so that the first request is not the first inference."""

    @abstractmethod
    def close(self) -> None:
        """Free the model; safe to call twice, and before :meth:`load`."""

    @abstractmethod
    def voices(self) -> Sequence[EngineVoice]:
        """Return the built-in voices, each language's default first; call it after :meth:`load`."""

    @abstractmethod
    def synthesize(self, request: SynthesisRequest) -> PcmStream:
        """Synthesise ``request`` lazily: each chunk is generated when it is taken.

        The stream is mono int16 at ``spec.sample_rate``, about -23 LUFS, peaks ≤ -1 dBFS. Closing
        it stops synthesis before the next chunk.

        Raises (on the first chunk, not here):
            InvalidRequest: nothing in the text can be spoken in this language.
            EngineFailure: the model failed.
        """

    def fingerprint(self) -> Mapping[str, object]:
        """Return what determines the audio besides ``spec.model`` and the request.

        Examples are digests of weights, the precision and the address of a remote model; known
        after :meth:`load`. The result is part of the result cache's key and consists of strings,
        numbers, and mappings and sequences of them.
        """
        return {}

    def language_hints(self) -> Mapping[str, str]:
        """Return the model's unavailable languages, each with what would enable it."""
        return {}

    def prepare(self, reference: Reference) -> PreparedVoice:
        """Prepare a voice from a recording; cached by its content.

        Raises:
            InvalidRequest: the engine has fixed voices, or the recording is too short or has no
                speech.
            UnsupportedMedia: the recording cannot be decoded.
        """
        raise InvalidRequest(
            f"engine '{self.spec.name}' has fixed voices; it cannot follow the sample "
            f"'{reference.name}'",
            param="voice_sample",
        )
