import io
import wave

import numpy as np
import pytest

from shared.audio.pcm import AudioFormat
from shared.audio.wav import HEADER_BYTES, UNKNOWN_SIZE, WavCheck, check_wav, wav_header

FORMAT = AudioFormat(22_050)


def test_an_exact_header_is_read_back_by_the_standard_library() -> None:
    samples = np.arange(100, dtype="<i2").tobytes()
    header = wav_header(FORMAT, len(samples))
    assert len(header) == HEADER_BYTES
    with wave.open(io.BytesIO(header + samples)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (22_050, 1, 2)
        assert file.getnframes() == 100
        assert file.readframes(100) == samples


def test_a_streaming_header_says_unknown_and_readers_stop_at_the_end() -> None:
    samples = np.arange(100, dtype="<i2").tobytes()
    header = wav_header(FORMAT, None)
    assert int.from_bytes(header[4:8], "little") == UNKNOWN_SIZE
    assert int.from_bytes(header[40:44], "little") == UNKNOWN_SIZE
    with wave.open(io.BytesIO(header + samples)) as file:
        assert file.readframes(file.getnframes()) == samples


def test_a_length_beyond_the_field_is_refused() -> None:
    with pytest.raises(ValueError, match="4 GiB"):
        wav_header(FORMAT, UNKNOWN_SIZE)


@pytest.mark.parametrize(
    ("data", "missing"),
    [
        (wav_header(FORMAT, 200) + bytes(200), 0),
        (wav_header(FORMAT, 200) + bytes(150), 50),
        (wav_header(FORMAT, 200) + bytes(300), 0),
        (wav_header(FORMAT, None) + bytes(150), 0),
        (wav_header(FORMAT, 200)[:20], 0),
        (b"RIFF", 0),
        (b"no audio at all", 0),
        # A chunk of odd length, with its padding byte, before the samples.
        (
            wav_header(FORMAT, 4)[:36]
            + b"LIST\x03\x00\x00\x00abc\x00"
            + wav_header(FORMAT, 4)[36:]
            + bytes(1),
            3,
        ),
    ],
)
def test_missing_bytes_are_counted(data: bytes, missing: int) -> None:
    source = io.BytesIO(data)
    source.seek(3)
    assert check_wav(source) == WavCheck(missing)
    assert source.tell() == 0


@pytest.mark.parametrize("after_samples", [False, True])
def test_a_metadata_chunk_larger_than_the_file_is_implausible(after_samples: bool) -> None:
    whole = wav_header(FORMAT, 4) + bytes(4)
    at = len(whole) if after_samples else 36
    bomb = whole[:at] + b"LIST\x00\x00\x00\x57INFO" + whole[at:]
    assert not check_wav(io.BytesIO(bomb)).plausible
    slightly_cut = whole + b"LIST\x20\x00\x00\x00INFO"
    assert check_wav(io.BytesIO(slightly_cut)).plausible
