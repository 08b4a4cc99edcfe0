"""Events of a turn, in the order in which they are sent."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.audio.pcm import AudioFormat, Pcm16
from shared.core.errors import MeshError
from shared.engines.fallback import SkippedEngine


@dataclass(frozen=True, slots=True)
class Heard:
    """The transcript of the user's speech; empty where the recording has none."""

    text: str
    language: str | None
    engine: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplyText:
    """A piece of the reply, streamed from the language model."""

    delta: str


@dataclass(frozen=True, slots=True)
class ReplyWritten:
    """The complete reply and the name of the model that wrote it."""

    text: str
    engine: str
    skipped: tuple[SkippedEngine, ...] = ()


@dataclass(frozen=True, slots=True)
class AudioBegins:
    """The start of the reply's audio, with its format."""

    format: AudioFormat
    engine: str
    voice: str


@dataclass(frozen=True, slots=True)
class Audio:
    """A chunk of audio, mono int16; ``clause`` is its text, set on the last chunk of a clause."""

    samples: Pcm16
    clause: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """The error of a stage; earlier events stay valid."""

    stage: str
    error: MeshError


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of the turn, with the times of its stages.

    Times are seconds from the end of speech (the turn's start).
    """

    times: dict[str, float] = field(default_factory=dict)


Event = Heard | ReplyText | ReplyWritten | AudioBegins | Audio | Fault | Ended
