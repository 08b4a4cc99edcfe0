"""WAV as it comes over a connection, in any cut."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.audio.pcm import AudioFormat
from shared.audio.wav import wav_header
from shared.core.errors import UpstreamUnavailable
from tts_service.engines.fish.wav_parser import WavReader

SAMPLES = np.arange(-500, 500, dtype=np.int16)
DATA = SAMPLES.tobytes()


def with_length(length: int) -> bytes:
    """A header of ``wave``'s kind whose data field holds ``length``."""
    return wav_header(AudioFormat(22_050), 0)[:40] + struct.pack("<I", length)


def read(parts: list[bytes], max_seconds: float = 10.0) -> tuple[np.ndarray, int | None]:
    reader = WavReader("the server", max_seconds)
    samples = [reader.feed(part) for part in parts]
    reader.finish()
    return np.concatenate(samples), reader.sample_rate


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=60), st.sampled_from([0, 0xFFFFFFFF, 2000])
)
def test_any_cut_gives_the_same_samples(sizes: list[int], length: int) -> None:
    whole = with_length(length) + DATA
    parts, start = [], 0
    for size in sizes:
        parts.append(whole[start : start + size])
        start += size
    parts.append(whole[start:])
    samples, rate = read(parts)
    assert rate == 22_050
    assert np.array_equal(samples, SAMPLES)


def test_further_chunks_before_and_after_the_samples_are_no_sound() -> None:
    header = with_length(len(DATA))
    extra = b"LIST" + struct.pack("<I", 5) + b"title" + b"\0"
    parts = [header[:12] + extra + header[12:] + DATA + b"LIST\x04\0\0\0name"]
    assert np.array_equal(read(parts)[0], SAMPLES)


def test_what_python_and_ffmpeg_write_is_read() -> None:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 44_100, 0, "NONE", ""))
        file.writeframes(DATA)
    samples, rate = read([buffer.getvalue()])
    assert rate == 44_100
    assert np.array_equal(samples, SAMPLES)


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([], "empty_audio"),
        ([b""], "empty_audio"),
        ([with_length(0)], "empty_audio"),
        ([b"<html>no</html>"], "not_audio"),
        ([b"{}"], "not_audio"),
        ([b"RIFF"], "not_audio"),
        ([b"RIFF\0\0\0\0AVI " + b"\0" * 40], "not_audio"),
        ([with_length(0)[:30]], "not_audio"),
        ([with_length(0)[:12] + b"junk" + struct.pack("<I", 1 << 30) + b"x" * 99], "not_audio"),
        ([with_length(0)[:12] + b"data" + struct.pack("<I", 4) + b"abcd"], "not_audio"),
        ([with_length(len(DATA)) + DATA[:-2]], "cut"),
        ([with_length(0) + DATA + b"x"], "cut"),
        ([with_length(0) + DATA * 300], "too_long"),
    ],
)
def test_what_is_no_whole_audio(parts: list[bytes], code: str) -> None:
    with pytest.raises(UpstreamUnavailable) as caught:
        read(parts)
    assert caught.value.code == code


@pytest.mark.parametrize(("at", "value"), [(22, 2), (34, 8), (20, 3), (24, 7)])
def test_only_mono_of_16_bits_is_taken(at: int, value: int) -> None:
    header = bytearray(with_length(0))
    header[at : at + 2] = struct.pack("<H", value)
    if at == 24:
        header[26:28] = b"\0\0"
    with pytest.raises(UpstreamUnavailable) as caught:
        read([bytes(header) + DATA])
    assert caught.value.code == "not_audio"
