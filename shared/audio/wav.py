"""Write RIFF/WAVE headers and check WAV files for truncation.

A WAV header has two length fields before the first sample, but the length of streamed audio is
unknown when its header is sent. A streaming header holds ``0xFFFFFFFF`` in both fields, the
convention of FFmpeg's and OpenAI's streamed WAV for "until the end of the stream". A header for a
known length holds the exact values. ``docs/decisions/0003-audio-through-pyav.md`` lists the readers
that were tested.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from shared.audio.pcm import AudioFormat

HEADER_BYTES = 44
UNKNOWN_SIZE = 0xFFFFFFFF
_PCM = 1
# If the length is unknown, writers store 0, 0xFFFFFFFF, 0x7FFFFFFF or a value just below it.
_LARGEST_BELIEVABLE = 0x7FFF0000
_MAX_CHUNKS = 1_000
# A chunk that exceeds the file by more than this has a wrong length; the file was not just cut.
_MAX_OVERHANG = 1 << 20


def wav_header(fmt: AudioFormat, data_bytes: int | None) -> bytes:
    """Return the 44-byte WAV header for s16le samples.

    Args:
        fmt: sample rate (Hz) and channels.
        data_bytes: size of the samples in bytes; None for a stream of unknown length, which writes
            ``0xFFFFFFFF`` to both length fields.

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
    """Result of checking the chunk list of a WAV file; the defaults apply to other file types.

    Attributes:
        missing_bytes: bytes of samples that the header declares beyond the end of the file. FFmpeg
            uses the shorter of the two lengths without a warning. 0 if the length is "unknown".
        plausible: False if a metadata chunk declares a size far beyond the end of the file.
    """

    missing_bytes: int = 0
    plausible: bool = True


def check_wav(source: BinaryIO) -> WavCheck:
    """Walk the chunks of a WAV file before FFmpeg opens it, then seek back to the start.

    FFmpeg allocates and clears the size that a metadata chunk declares, up to 2 GiB, before it
    reads the chunk. A file of a few bytes could therefore cost seconds and all memory of the
    machine.
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
