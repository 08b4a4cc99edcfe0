"""Encoding the mesh's int16 audio for the wire: wav, mp3, opus, flac, aac and pcm.

:func:`encode_stream` sends bytes as soon as the encoder has any; :func:`encode` makes a whole file
whose header is exact. Both go through FFmpeg (PyAV), except wav and pcm, which need no codec.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
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
"""Content type of each container; its keys are all there are."""

PCM_RATE: Final = 24_000
"""Hz of the headerless ``pcm`` container (the OpenAI convention: mono s16le)."""


@dataclass(frozen=True, slots=True)
class _Codec:
    """How FFmpeg makes one container.

    Attributes:
        muxer: FFmpeg's output format.
        encoder: FFmpeg's encoder.
        sample_format: what the encoder takes.
        rates: Hz that the encoder takes, ascending; empty = any.
        bit_rate: bits per second; None for lossless.
        encoder_options: set on the encoder.
        stream_options: set on the muxer when the output cannot be sought back into.
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
    # Bit rates at which speech of one channel is hard to tell from the original.
    # A Xing header needs a second visit to the first frame, so a stream goes without.
    "mp3": _Codec(
        "mp3", "libmp3lame", "s16p", _MPEG_RATES, 64_000, stream_options={"write_xing": "0"}
    ),
    # FFmpeg fills a page of a second by default: 100 ms bounds what a listener waits for.
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
    """Encode while the audio is being made.

    Nothing is sent before the first chunk has arrived, so that a failure to make it can still
    become an error answer. Closing the generator closes ``pcm``. A wav header says "length
    unknown" (``0xFFFFFFFF`` in both length fields), or zero where there was no chunk at all; flac
    and mp3 carry no total length.

    Args:
        pcm: mono int16 chunks of any length.
        fmt: their sample rate; the mesh's audio has one channel.
        container: a key of :data:`MIME`. ``pcm`` is resampled to 24 kHz, the others only where
            their encoder does not know the rate.

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
            whole = chunks if first is None else itertools.chain((first,), chunks)
            yield from _encoded(whole, fmt, container, _Sink())
    finally:
        close_quietly(chunks)


def encode(pcm: Pcm16, fmt: AudioFormat, container: Container) -> bytes:
    """A whole file: exact wav lengths, flac with its sample count, mp3 with a Xing header.

    Arguments and errors as :func:`encode_stream`, with ``pcm`` of shape ``(n,)``.
    """
    _require_mono(fmt)
    if container == "wav":
        return wav_header(fmt, pcm.size * 2) + _bytes(pcm)
    file = io.BytesIO()
    rest = b"".join(_encoded(iter([pcm]), fmt, container, file))
    return file.getvalue() + rest


class _Sink:
    """A file that can only be written to; keeps what was written until it is taken."""

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
    """Bytes as they become ready from a :class:`_Sink`; into a seekable file: nothing."""
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
        # PyAV's stub says "any kind of stream" where the encoder's name is no literal.
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
    """The lowest known rate that keeps the whole band, else the highest there is."""
    if not rates or wanted in rates:
        return wanted
    return min((rate for rate in rates if rate > wanted), default=rates[-1])


def _bytes(samples: Pcm16) -> bytes:
    return samples.astype("<i2", copy=False).tobytes()


def _require_mono(fmt: AudioFormat) -> None:
    if fmt.channels != 1:
        raise ValueError("only mono audio can be encoded")
