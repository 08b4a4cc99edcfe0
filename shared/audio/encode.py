"""Encode mono int16 audio as wav, mp3, opus, flac, aac or pcm.

:func:`encode_stream` yields bytes as soon as the encoder produces them. :func:`encode` returns a
complete file with an exact header. Both use FFmpeg (PyAV), except for wav and pcm, which need no
codec.
"""

from __future__ import annotations

import io
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, Literal

import av
import numpy as np

from shared.audio.pcm import AudioFormat, Pcm16
from shared.audio.samples import resampled_pcm
from shared.audio.wav import wav_header
from shared.core.streaming import close_quietly

Container = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]

MIME: Final[dict[str, str]] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg; codecs=opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm;rate=24000",
}
"""Content type of each supported container."""

PCM_RATE: Final = 24_000
"""Sample rate of the headerless ``pcm`` container, Hz (the OpenAI convention: mono s16le)."""


@dataclass(frozen=True, slots=True)
class _Codec:
    """FFmpeg settings for one container.

    Attributes:
        muxer: FFmpeg's output format.
        encoder: FFmpeg's encoder.
        sample_format: sample format that the encoder accepts.
        rates: sample rates that the encoder accepts, Hz, ascending; empty = any.
        bit_rate: bits per second; None for lossless.
        encoder_options: options of the encoder.
        stream_options: options of the muxer for outputs that are not seekable.
    """

    muxer: str
    encoder: str
    sample_format: str
    rates: tuple[int, ...] = ()
    bit_rate: int | None = None
    encoder_options: dict[str, str] = field(default_factory=dict)
    stream_options: dict[str, str] = field(default_factory=dict)


_MPEG_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_CODECS: Final[dict[str, _Codec]] = {
    # Bit rates at which mono speech is hard to distinguish from the original. Writing a Xing header
    # requires seeking back to the first frame, so streams have none.
    "mp3": _Codec(
        "mp3", "libmp3lame", "s16p", _MPEG_RATES, 64_000, stream_options={"write_xing": "0"}
    ),
    # FFmpeg's default Ogg page lasts a second; 100 ms bounds the latency of playback.
    "opus": _Codec(
        "ogg",
        "libopus",
        "s16",
        (8_000, 12_000, 16_000, 24_000, 48_000),
        32_000,
        encoder_options={"application": "voip"},
        stream_options={"page_duration": "100000"},
    ),
    "aac": _Codec("adts", "aac", "fltp", (*_MPEG_RATES, 64_000, 88_200, 96_000), 64_000),
    "flac": _Codec("flac", "flac", "s16"),
}


def encode_stream(
    pcm: Iterable[Pcm16], fmt: AudioFormat, container: Container
) -> Generator[bytes, None, None]:
    """Encode audio chunk by chunk while it is being produced.

    Nothing is yielded before the first chunk has arrived, so that an error before it can still
    become an error response. Closing the generator closes ``pcm``. A wav header declares an unknown
    length (``0xFFFFFFFF`` in both length fields), or zero if there was no chunk at all; flac and
    mp3 carry no total length.

    Args:
        pcm: mono int16 chunks of any length.
        fmt: their format; only one channel is supported.
        container: a key of :data:`MIME`. ``pcm`` is resampled to 24 kHz; the others are resampled
            only if their encoder does not support the rate.

    Raises:
        ValueError: more than one channel.
    """
    _require_mono(fmt)
    chunks = iter(pcm)
    try:
        first = next(chunks, None)
        if container == "wav":
            yield wav_header(fmt, 0) if first is None else wav_header(fmt, None) + _bytes(first)
            for chunk in chunks:
                yield _bytes(chunk)
        else:
            whole = chunks if first is None else chain((first,), chunks)
            yield from _encoded(whole, fmt, container, _Sink())
    finally:
        close_quietly(chunks)


def encode(pcm: Pcm16, fmt: AudioFormat, container: Container) -> bytes:
    """Encode a complete file: exact wav lengths, flac with sample count, mp3 with Xing header.

    Arguments and errors are those of :func:`encode_stream`, with ``pcm`` of shape ``(n,)``.
    """
    _require_mono(fmt)
    if container == "wav":
        return wav_header(fmt, pcm.size * 2) + _bytes(pcm)
    file = io.BytesIO()
    rest = b"".join(_encoded(iter([pcm]), fmt, container, file))
    return file.getvalue() + rest


class _Sink:
    """A write-only file that buffers written bytes until they are taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        return len(part)

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


def _encoded(
    chunks: Iterator[Pcm16], fmt: AudioFormat, container: str, file: _Sink | io.BytesIO
) -> Iterator[bytes]:
    """Yield encoded bytes as they become ready in a :class:`_Sink`.

    With a seekable ``file``, a container with a codec is written to it and nothing is yielded;
    ``pcm`` is always yielded.
    """
    if container == "pcm":
        for samples in resampled_pcm(chunks, fmt.sample_rate, PCM_RATE):
            yield _bytes(samples)
        return
    codec = _CODECS[container]
    rate = _nearest_rate(fmt.sample_rate, codec.rates)
    streaming = isinstance(file, _Sink)
    options = codec.stream_options if streaming else {}
    with av.open(
        file, "w", format=codec.muxer, container_options={"flush_packets": "1", **options}
    ) as output:
        # PyAV's stub returns a generic stream type if the encoder's name is not a literal.
        stream: Any = output.add_stream(
            codec.encoder,
            rate=rate,
            layout="mono",
            format=codec.sample_format,
            options=codec.encoder_options,
        )
        if codec.bit_rate is not None:
            stream.bit_rate = codec.bit_rate
        for samples in resampled_pcm(chunks, fmt.sample_rate, rate):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples)[np.newaxis], format="s16", layout="mono"
            )
            frame.sample_rate = rate
            output.mux(stream.encode(frame))
            if isinstance(file, _Sink) and (ready := file.take()):
                yield ready
        output.mux(stream.encode(None))
    if isinstance(file, _Sink) and (ready := file.take()):
        yield ready


def _nearest_rate(wanted: int, rates: tuple[int, ...]) -> int:
    """Return the lowest supported rate that keeps the full bandwidth, or else the highest one."""
    if not rates or wanted in rates:
        return wanted
    return min((rate for rate in rates if rate > wanted), default=rates[-1])


def _bytes(samples: Pcm16) -> bytes:
    return samples.astype("<i2", copy=False).tobytes()


def _require_mono(fmt: AudioFormat) -> None:
    if fmt.channels != 1:
        raise ValueError("only mono audio can be encoded")
