"""Formats of speech recognition: the project's own response and OpenAI's formats."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

TranscriptFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]


class Word(BaseModel):
    """One word with its times, seconds from the start of the recording."""

    word: str
    start: float
    end: float
    probability: float | None = None


class Segment(BaseModel):
    """A segment of speech in the OpenAI API's format; times in seconds."""

    id: int = 0
    seek: int = 0
    start: float
    end: float
    text: str
    tokens: list[int] = Field(default_factory=list)
    temperature: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 1.0
    no_speech_prob: float = 0.0
    words: list[Word] | None = None


class Transcript(BaseModel):
    """Response of ``POST /transcribe``: the text and its metadata."""

    text: str
    language: str | None = Field(description="Detected or given; null where nothing was said.")
    language_probability: float | None = None
    duration: float = Field(description="Length of the recording, seconds.")
    engine: str
    fallback: str | None = Field(
        default=None,
        description="The engines that were preferred to this one, and why they did not answer.",
    )
    segments: list[Segment] | None = None
    words: list[Word] | None = None
    truncated: bool | None = Field(
        default=None, description="True where the recording was cut or damaged."
    )
    warnings: list[str] | None = Field(
        default=None, description="What keeps the transcript from being as asked, if anything."
    )


class ChannelTranscripts(BaseModel):
    """Response of ``POST /transcribe`` with ``channels=separate``: one transcript per channel."""

    text: str
    channels: list[Transcript]


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


OptionalText = Annotated[str | None, BeforeValidator(_blank_is_none)]


class TranscribeRequest(BaseModel):
    """Fields of ``POST /transcribe`` in addition to the recording."""

    model_config = ConfigDict(extra="ignore")

    language: OptionalText = Field(
        default=None, max_length=32, description="Tag such as en; detected where not given."
    )
    task: Literal["transcribe", "translate"] = Field(
        default="transcribe", description="translate: the text comes out in English."
    )
    prompt: OptionalText = Field(default=None, max_length=2000, description="Names and spellings.")
    temperature: float | None = Field(default=None, ge=0, le=1)
    timestamps: Literal["none", "segment", "word"] = Field(
        default="none", description="Times to give along with the text."
    )
    channels: Literal["mix", "separate"] = Field(
        default="mix", description="separate: one transcript per channel."
    )
    encoding: Literal["s16le", "mulaw", "alaw"] | None = Field(
        default=None, description="Of a recording without a header."
    )
    sample_rate: int | None = Field(default=None, ge=4000, le=192_000, description="Same, Hz.")
    raw_channels: int = Field(default=1, ge=1, le=8, description="Same.")


class TranscriptionRequest(BaseModel):
    """Fields of the OpenAI API's transcriptions and translations in addition to ``file``."""

    model_config = ConfigDict(extra="ignore")

    model: str = Field(default="whisper-1", min_length=1, max_length=128)
    language: OptionalText = Field(default=None, max_length=32)
    prompt: OptionalText = Field(default=None, max_length=8000)
    temperature: float | None = Field(default=None, ge=0, le=1)
    response_format: TranscriptFormat = "json"
    timestamp_granularities: list[Literal["word", "segment"]] = ["segment"]
    stream: bool = False


class DurationUsage(BaseModel):
    """Usage of a transcription: the duration of the audio in seconds."""

    type: Literal["duration"] = "duration"
    seconds: float


class TranscriptionAnswer(BaseModel):
    """Response with ``response_format=json``."""

    text: str
    usage: DurationUsage
    warnings: list[str] | None = None


class VerboseTranscription(BaseModel):
    """Response with ``response_format=verbose_json``."""

    task: Literal["transcribe", "translate"]
    language: str | None
    duration: float
    text: str
    segments: list[Segment] | None = None
    words: list[Word] | None = None
    usage: DurationUsage
    warnings: list[str] | None = None
