"""What happens in a turn, in the order in which it is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.audio.pcm import AudioFormat, Pcm16
from shared.core.errors import MeshError
from shared.engines.fallback import SkippedEngine


@dataclass(frozen=True, slots=True)
class Heard:
    """The person's words; empty where nothing was said."""

    text: str
    language: str | None
    engine: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplyText:
    """A piece of the reply as the language model writes it."""

    delta: str


@dataclass(frozen=True, slots=True)
class ReplyWritten:
    """The whole reply, and which model wrote it."""

    text: str
    engine: str
    skipped: tuple[SkippedEngine, ...] = ()


@dataclass(frozen=True, slots=True)
class AudioBegins:
    """Speech follows in this format."""

    format: AudioFormat
    engine: str
    voice: str


@dataclass(frozen=True, slots=True)
class Audio:
    """A chunk of speech, mono int16; ``clause`` is its text, on the clause's last chunk only."""

    samples: Pcm16
    clause: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A stage failed; what came before it stands."""

    stage: str
    error: MeshError


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more comes. Times are seconds from the end of speech (the turn's start)."""

    times: dict[str, float] = field(default_factory=dict)


Event = Heard | ReplyText | ReplyWritten | AudioBegins | Audio | Fault | Ended
