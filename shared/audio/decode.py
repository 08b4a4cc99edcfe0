"""Decode any audio file that FFmpeg reads to float32 samples at a requested sample rate.

Decoding streams in blocks, so memory use does not depend on the length of the recording. Decoding a
whole file joins the same blocks, so both ways give the same samples.
"""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from typing import Any, BinaryIO

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from shared.audio.decoding_limits import DecodingLimits
from shared.audio.downmix import ChannelStatistics
from shared.audio.pcm import Float32
from shared.audio.samples import Resampler, float_to_pcm16, pcm16_to_float, resample
from shared.audio.source import AudioSource, RawFormat, raw_format_of
from shared.core.errors import UnsupportedMedia

__all__ = [
    "AudioReader",
    "RawFormat",
    "Resampler",
    "decode",
    "decode_stream",
    "float_to_pcm16",
    "pcm16_to_float",
    "raw_format_of",
    "resample",
]

BLOCK_SECONDS = 5.0


class AudioReader(Iterator[Float32]):
    """An iterator over the mono float32 blocks of one recording, created by :func:`decode_stream`.

    The blocks are the mix of all channels, or one channel alone.

    Close it, or use it as a context manager, if it may not be read to the end.

    Attributes:
        sample_rate: sample rate of the blocks, Hz.
        channels: number of channels in the file. Some decoders correct the header's number, so it
            is certain only after the first block.
        seconds: seconds decoded so far.
        damage: set after the last block: why the recording is incomplete (cut or damaged file), or
            None.
    """

    def __init__(
        self,
        source: BinaryIO,
        sample_rate: int,
        max_seconds: float,
        declared: RawFormat | None,
        channel: int | None,
    ) -> None:
        self.sample_rate = sample_rate
        self._opened = AudioSource(source, declared)
        self.channels = self._opened.channels
        self._channel = channel
        self._begun = False
        try:
            DecodingLimits(max_seconds, sample_rate).check_header(self._opened)
            self._weights: dict[int, Float32] = {}
            if self.channels > 1 and channel is None:
                # The mixing weights depend on the whole recording, so it is decoded once to measure
                # it.
                self._weights = _measure_channels(self._opened, max_seconds)
                self._opened.close()
                self._opened = AudioSource(source, declared)
        except BaseException:
            self._opened.close()
            raise
        self._blocks = _resampled_blocks(self._opened, sample_rate, max_seconds)

    @property
    def seconds(self) -> float:
        """Seconds of audio decoded so far."""
        return self._opened.seconds

    @property
    def damage(self) -> str | None:
        """Why the recording is incomplete; None while reading and if nothing is missing."""
        return self._opened.damage

    def __next__(self) -> Float32:
        block = next(self._blocks)
        channels = block.shape[0]
        if self._channel is not None:
            return self._alone(block, self._channel)
        equal = np.full(channels, 1 / channels, dtype=np.float32)
        mono: Float32 = self._weights.get(channels, equal) @ block
        return mono

    def _alone(self, block: NDArray[np.float32], channel: int) -> Float32:
        if self._begun and block.shape[0] != self.channels:
            raise UnsupportedMedia("the number of channels changes within the file", param="file")
        self._begun = True
        self.channels = block.shape[0]
        return np.ascontiguousarray(block[channel])

    def close(self) -> None:
        """Stop decoding and free FFmpeg's state. Safe to call twice."""
        self._blocks.close()
        self._opened.close()

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def decode_stream(
    data: bytes | BinaryIO,
    *,
    sample_rate: int,
    max_seconds: float,
    declared: RawFormat | None = None,
    channel: int | None = None,
) -> AudioReader:
    """Decode a recording in blocks of about five seconds, with bounded memory.

    A cut or damaged file yields the samples that could be decoded. After the last block,
    :attr:`AudioReader.damage` gives the reason; the caller must report it or reject the file.

    Args:
        data: the file's bytes, or a seekable binary file that stays open while reading.
        sample_rate: requested sample rate, Hz.
        max_seconds: maximum length of the recording, seconds.
        declared: the format of samples without a header; None for files with a header.
        channel: index of the only channel to return; None mixes all channels. A file whose channel
            count changes has no separate channels and is rejected while iterating.

    Raises:
        InvalidRequest: no bytes or no samples (code ``empty_audio``).
        UnsupportedMedia: the data contains no decodable audio; may also be raised while iterating.
        TooLarge: longer than ``max_seconds`` (code ``audio_too_long``), or too many samples in all
            channels (``too_many_samples``); raised here if the header declares it, otherwise while
            iterating.
        ClientGone: the client of the current request has disconnected; may also be raised while
            iterating.
    """
    source = io.BytesIO(data) if isinstance(data, bytes | bytearray | memoryview) else data
    return AudioReader(source, sample_rate, max_seconds, declared, channel)


def decode(
    data: bytes | BinaryIO,
    *,
    sample_rate: int,
    max_seconds: float,
    declared: RawFormat | None = None,
) -> Float32:
    """Decode a whole recording to mono samples, shape ``(n,)``, n ≥ 0.

    Arguments and errors are those of :func:`decode_stream`. A cut or damaged file is rejected.

    Raises:
        UnsupportedMedia: part of the audio is missing (code ``damaged_audio``).
    """
    with decode_stream(
        data, sample_rate=sample_rate, max_seconds=max_seconds, declared=declared
    ) as reader:
        blocks = list(reader)
        if reader.damage is not None:
            raise UnsupportedMedia(
                f"the recording is cut or damaged: {reader.damage}",
                param="file",
                code="damaged_audio",
            )
    return np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)


def _measure_channels(opened: AudioSource, max_seconds: float) -> dict[int, Float32]:
    """Return the mixing weights for each channel count that occurs in the recording."""
    statistics: dict[int, ChannelStatistics] = {}
    for block in _resampled_blocks(opened, None, max_seconds):
        channels = block.shape[0]
        statistics.setdefault(channels, ChannelStatistics(channels)).add(block)
    return {channels: found.weights() for channels, found in statistics.items()}


def _resampled_blocks(
    opened: AudioSource, sample_rate: int | None, max_seconds: float
) -> Generator[NDArray[np.float32], None, None]:
    """Yield blocks of shape ``(channels, n)``; ``sample_rate`` None keeps the file's own rate.

    A stream may change its layout, rate or sample format midway (joined MP3 files, chained Ogg).
    The resampler is then drained and replaced.
    """
    resampler: av.AudioResampler | None = None
    shape: tuple[Any, ...] | None = None
    pending: list[NDArray[np.float32]] = []
    held = 0
    limits = DecodingLimits(max_seconds, sample_rate)
    for frame in opened.frames():
        limits.count(opened, frame)
        frame_shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if frame_shape != shape:
            if resampler is not None:
                pending += _planes(resampler, None)
                yield from _joined_block(pending)
                pending, held = [], 0
            resampler = av.AudioResampler(
                format="flt", layout=frame.layout, rate=sample_rate or frame.sample_rate
            )
            shape = frame_shape
        frame.pts = None
        planes = _planes(resampler, frame)
        pending += planes
        held += sum(plane.shape[1] for plane in planes)
        if held >= BLOCK_SECONDS * (sample_rate or frame.sample_rate):
            yield from _joined_block(pending)
            pending, held = [], 0
    if resampler is not None:
        pending += _planes(resampler, None)
    yield from _joined_block(pending)


def _planes(resampler: Any, frame: Any) -> list[NDArray[np.float32]]:
    try:
        # Packed samples: to_ndarray() of a planar frame with more than eight channels reads beyond
        # the planes that PyAV knows, and kills the process.
        return [made.to_ndarray().reshape(made.samples, -1).T for made in resampler.resample(frame)]
    except (av.error.FFmpegError, ValueError):
        raise UnsupportedMedia("the audio cannot be converted", param="file") from None


def _joined_block(planes: list[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    if planes:
        yield np.concatenate(planes, axis=1) if len(planes) > 1 else planes[0]
