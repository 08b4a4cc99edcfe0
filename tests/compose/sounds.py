"""Reading WAV answers, streamed ones included."""

from __future__ import annotations

import struct


def wav_seconds(data: bytes) -> float:
    """Length of a 16 bit WAV file's sound by the bytes that came, whatever its header says."""
    assert data[:4] == b"RIFF" and data[8:12] == b"WAVE", data[:12]
    place, rate, channels = 12, 0, 0
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        if name == b"fmt ":
            _, channels, rate = struct.unpack_from("<HHI", data, place + 8)
        if name == b"data":
            return (len(data) - place - 8) / (2 * channels * rate)
        place += 8 + size + size % 2
    raise AssertionError("no sound in it")


def words(text: str) -> set[str]:
    """The words of a text, for comparing what was said with what was heard."""
    return {"".join(c for c in word.lower() if c.isalnum()) for word in text.split()} - {""}
