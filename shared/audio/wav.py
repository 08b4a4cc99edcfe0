"""RIFF/WAVE headers: written for streams and files, and read to see whether a file was cut.

While audio is still being made its length is unknown, yet a WAV header has two length fields
before the first sample. A streaming header holds ``0xFFFFFFFF`` in both (the convention of
FFmpeg's and OpenAI's streamed WAV: "until the end of the stream"); a header made for a known
length holds the exact one. Readers tried: see ``docs/decisions/0003-audio-through-pyav.md``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from shared.audio.pcm import AudioFormat

HEADER_BYTES = 44
UNKNOWN_SIZE = 0xFFFFFFFF
_PCM = 1
# Writers that do not know the length leave 0, 0xFFFFFFFF, 0x7FFFFFFF or something close below it.
_LARGEST_BELIEVABLE = 0x7FFF0000
_MAX_CHUNKS = 1_000
# More than this beyond the end is no cut file but a wrong length.
_MAX_OVERHANG = 1 << 20


def wav_header(fmt: AudioFormat, data_bytes: int | None) -> bytes:
    """The 44 bytes before s16le samples.

    Args:
        fmt: sample rate (Hz) and channels.
        data_bytes: length of the samples in bytes; None for a stream of unknown length, which
            writes ``0xFFFFFFFF`` in both length fields.

    Raises:
        ValueError: the length does not fit the 32-bit field.
    """
    if data_bytes is None:
        riff_size = data_size = UNKNOWN_SIZE
    else:
        riff_size, data_size = HEADER_BYTES - 8 + data_bytes, data_bytes
        if riff_size >= UNKNOWN_SIZE:
            raise ValueError("longer than a WAV file can be (4 GiB)")
    frame_bytes = fmt.channels * 2
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        riff_size,
        b"WAVE",
        b"fmt ",
        16,
        _PCM,
        fmt.channels,
        fmt.sample_rate,
        fmt.sample_rate * frame_bytes,
        frame_bytes,
        16,
        b"data",
        data_size,
    )


@dataclass(frozen=True, slots=True)
class WavCheck:
    """What the chunk list of a WAV file says about it; all is well in a file of another kind.

    Attributes:
        missing_bytes: of samples that the header promises beyond the end of the file. FFmpeg takes
            the shorter of the two lengths and says nothing. 0 where the length is "unknown".
        plausible: no metadata chunk claims to be much larger than the file.
    """

    missing_bytes: int = 0
    plausible: bool = True


def check_wav(source: BinaryIO) -> WavCheck:
    """Walk the chunks of a WAV file before FFmpeg does; leaves the position at the start.

    FFmpeg allocates and clears what a metadata chunk claims, up to 2 GiB, before it reads it: a
    file of a few bytes could cost seconds and the memory of the machine.
    """
    end = source.seek(0, 2)
    source.seek(0)
    missing, plausible = 0, True
    head = source.read(12)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        for _ in range(_MAX_CHUNKS):
            head = source.read(8)
            if len(head) < 8:
                break
            name, size = struct.unpack("<4sI", head)
            beyond = source.tell() + size - end
            if name == b"data":
                missing = max(0, beyond) if size <= _LARGEST_BELIEVABLE else 0
            elif beyond > _MAX_OVERHANG:
                plausible = False
            if beyond >= 0:
                break
            source.seek(size + (size & 1), 1)
    source.seek(0)
    return WavCheck(missing, plausible)
