import io
import math
import tempfile
import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest

from shared.audio.decode import decode, decode_stream
from shared.audio.encode import Container, encode, encode_stream
from shared.audio.pcm import AudioFormat, Float32
from shared.audio.samples import float_to_pcm16
from shared.audio.source import AudioSource, RawFormat, raw_format_of
from shared.audio.wav import wav_header
from shared.core.errors import InvalidRequest, MeshError, TooLarge, UnsupportedMedia

RATE = 16_000
LIMIT = 120.0


def speechlike(seconds: float = 3.0, rate: int = RATE, seed: int = 0) -> Float32:
    """Noise whose level goes up and down, so that cuts and shifts show."""
    count = int(seconds * rate)
    noise = np.random.default_rng(seed).normal(0, 0.1, count)
    return (noise * (1 + np.sin(np.arange(count) / rate * 7))).astype(np.float32)


def wav_of(channels: np.ndarray, rate: int = RATE) -> bytes:
    """A 16-bit WAV of samples in [-1, 1], shape ``(channels, n)``."""
    samples = float_to_pcm16(channels.T.reshape(-1)).tobytes()
    return wav_header(AudioFormat(rate, channels.shape[0]), len(samples)) + samples


def level(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


# --- real files -----------------------------------------------------------------------------


def _awkward(speech_dir: Path, manifest: list[dict], *expectations: str) -> list[tuple[Path, dict]]:
    rows = [row for row in manifest if row.get("expect") in expectations]
    assert rows
    return [(speech_dir / row["file"], row) for row in rows]


def test_every_good_file_decodes_whole(speech_dir: Path, manifest: list[dict]) -> None:
    good = ("ok", "empty", "degraded", "per_channel", "no_crash", "ok_if_one_channel_taken")
    for path, row in _awkward(speech_dir, manifest, *good):
        samples = decode(path.read_bytes(), sample_rate=RATE, max_seconds=LIMIT)
        # AAC pads its first and last frame; the manifest rounds to 10 ms.
        assert samples.size / RATE == pytest.approx(row["seconds"], abs=0.14), path.name
        assert samples.dtype == np.float32
        if row["expect"] == "ok":
            assert level(samples) > 1e-3, path.name


def test_every_bad_file_is_refused(speech_dir: Path, manifest: list[dict]) -> None:
    for path, _ in _awkward(speech_dir, manifest, "error", "error_or_empty"):
        with pytest.raises(MeshError) as raised:
            decode(path.read_bytes(), sample_rate=RATE, max_seconds=LIMIT)
        assert raised.value.status in {415, 422}, path.name


def test_cut_and_damaged_files_never_look_whole(speech_dir: Path, manifest: list[dict]) -> None:
    for path, _ in _awkward(speech_dir, manifest, "error_or_partial"):
        with decode_stream(path.read_bytes(), sample_rate=RATE, max_seconds=LIMIT) as reader:
            kept = sum(block.size for block in reader)
            assert kept > RATE, path.name
            assert reader.damage, path.name
        with pytest.raises(UnsupportedMedia, match="cut or damaged") as raised:
            decode(path.read_bytes(), sample_rate=RATE, max_seconds=LIMIT)
        assert raised.value.code == "damaged_audio"


def test_headerless_files_decode_only_when_told_the_format(
    speech_dir: Path, manifest: list[dict]
) -> None:
    formats = {
        "fmt_raw_s16le_16k.pcm": "audio/L16;rate=16000",
        "fmt_raw_mulaw_8k.ulaw": "audio/basic",
    }
    for path, row in _awkward(speech_dir, manifest, "ok_if_told_format"):
        data = path.read_bytes()
        with pytest.raises(UnsupportedMedia):
            decode(data, sample_rate=RATE, max_seconds=LIMIT)
        declared = raw_format_of(formats[path.name])
        samples = decode(data, sample_rate=RATE, max_seconds=LIMIT, declared=declared)
        assert samples.size / RATE == pytest.approx(row["seconds"], abs=0.01)
        assert level(samples) == pytest.approx(0.095, rel=0.05)


def test_long_recordings_decode_from_an_open_file(speech_dir: Path, manifest: list[dict]) -> None:
    for row in (row for row in manifest if row["kind"] == "long"):
        with (speech_dir / row["file"]).open("rb") as file:
            samples = decode(file, sample_rate=RATE, max_seconds=LIMIT)
        assert samples.size / RATE == pytest.approx(row["seconds"], abs=0.05)


# --- channels ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_a_silent_channel_does_not_halve_the_level(rate: int) -> None:
    talk = speechlike(rate=rate)
    heard = decode(wav_of(np.stack([0 * talk, talk]), rate), sample_rate=rate, max_seconds=LIMIT)
    assert np.abs(heard - talk).max() < 1e-4


def test_antiphase_channels_do_not_cancel() -> None:
    talk = speechlike()
    heard = decode(wav_of(np.stack([talk, -talk])), sample_rate=RATE, max_seconds=LIMIT)
    assert np.abs(heard - talk).max() < 1e-4


def test_two_talkers_are_both_heard_and_can_be_kept_apart() -> None:
    left, right = speechlike(seed=1), speechlike(seed=2)
    data = wav_of(np.stack([left, right]))
    mixed = decode(data, sample_rate=RATE, max_seconds=LIMIT)
    assert np.abs(mixed - (left + right) / 2).max() < 1e-4
    for channel, talk in enumerate([left, right]):
        with decode_stream(data, sample_rate=RATE, max_seconds=LIMIT, channel=channel) as reader:
            alone = np.concatenate(list(reader))
            assert (reader.channels, reader.damage) == (2, None)
        assert alone.shape == talk.shape
        assert np.abs(alone - talk).max() < 1e-4


def test_one_channel_of_a_cut_recording_is_read_as_far_as_it_goes() -> None:
    data = wav_of(np.stack([speechlike(), speechlike()]))
    cut = data[: len(data) // 2]
    with decode_stream(cut, sample_rate=RATE, max_seconds=LIMIT, channel=1) as reader:
        assert sum(block.size for block in reader) / RATE == pytest.approx(1.5, abs=0.01)
        assert reader.damage
    with (
        pytest.raises(TooLarge),
        decode_stream(data, sample_rate=RATE, max_seconds=1, channel=1) as reader,
    ):
        list(reader)


# --- streaming --------------------------------------------------------------------------------


def test_blocks_are_bounded_and_join_to_the_whole() -> None:
    talk = speechlike(23.0, rate=24_000)
    data = encode(float_to_pcm16(talk), AudioFormat(24_000), "flac")
    with decode_stream(io.BytesIO(data), sample_rate=RATE, max_seconds=LIMIT) as reader:
        blocks = list(reader)
        assert reader.damage is None
        assert reader.seconds == pytest.approx(23.0, abs=0.001)
    assert len(blocks) >= 4
    assert max(block.size for block in blocks) < 6 * RATE
    whole = decode(data, sample_rate=RATE, max_seconds=LIMIT)
    assert np.array_equal(np.concatenate(blocks), whole)


def test_memory_does_not_grow_with_the_length() -> None:
    # Ten minutes would be 38 MB of float32.
    data = np.random.default_rng(0).bytes(600 * 8_000)
    declared = RawFormat("mulaw", 8_000)
    tracemalloc.start()
    try:
        with decode_stream(data, sample_rate=RATE, max_seconds=3600, declared=declared) as reader:
            assert sum(block.size for block in reader) == pytest.approx(600 * RATE, abs=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000


def test_an_upload_in_a_temporary_file_opened_for_writing_is_read() -> None:
    with tempfile.TemporaryFile("w+b") as upload:
        upload.write(encode(float_to_pcm16(speechlike(1.0)), AudioFormat(RATE, 1), "wav"))
        upload.seek(0)
        blocks = list(decode_stream(upload, sample_rate=RATE, max_seconds=LIMIT))
    assert sum(block.size for block in blocks) == RATE


def test_reading_may_stop_early() -> None:
    data = wav_of(speechlike(12.0)[np.newaxis])
    reader = decode_stream(data, sample_rate=RATE, max_seconds=LIMIT)
    next(reader)
    reader.close()
    reader.close()
    assert next(reader, None) is None


def joined_mono_and_stereo() -> bytes:
    first = encode(float_to_pcm16(speechlike(2.0, 24_000)), AudioFormat(24_000), "mp3")
    second = io.BytesIO()
    with av.open(second, "w", format="mp3") as output:
        stream = output.add_stream("libmp3lame", rate=44_100, layout="stereo", format="s16p")
        talk = float_to_pcm16(speechlike(2.0, 44_100))
        frame = av.AudioFrame.from_ndarray(np.stack([talk, talk]), format="s16p", layout="stereo")
        frame.sample_rate = 44_100
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return first[: len(first) // 417 * 417] + second.getvalue()


def test_joined_files_of_different_rates_and_channels_decode_through() -> None:
    data = joined_mono_and_stereo()
    with decode_stream(data, sample_rate=RATE, max_seconds=LIMIT) as reader:
        seconds = sum(block.size for block in reader) / RATE
    assert seconds > 3.5


def test_joined_files_of_different_channels_have_no_separate_channels() -> None:
    data = joined_mono_and_stereo()
    with (
        decode_stream(data, sample_rate=RATE, max_seconds=LIMIT, channel=0) as reader,
        pytest.raises(UnsupportedMedia, match="number of channels changes"),
    ):
        list(reader)


# --- limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["wav", "mp3", "flac", "opus", "aac"])
@pytest.mark.parametrize("streamed", [False, True])
def test_too_long_a_recording_is_refused(container: Container, streamed: bool) -> None:
    pcm = float_to_pcm16(speechlike(12.0))
    data = (
        b"".join(encode_stream([pcm], AudioFormat(RATE), container))
        if streamed
        else encode(pcm, AudioFormat(RATE), container)
    )
    with pytest.raises(TooLarge) as raised:
        decode(data, sample_rate=RATE, max_seconds=10)
    assert raised.value.code == "audio_too_long"
    assert decode(data, sample_rate=RATE, max_seconds=13).size >= 12 * RATE - 2


def test_a_header_that_says_too_long_is_refused_before_decoding() -> None:
    data = encode(float_to_pcm16(speechlike(12.0)), AudioFormat(RATE), "flac")
    with pytest.raises(TooLarge):
        decode_stream(data, sample_rate=RATE, max_seconds=10)


# --- damage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["wav", "mp3", "flac", "opus", "aac"])
def test_a_file_cut_in_two_is_damaged(container: Container) -> None:
    data = encode(float_to_pcm16(speechlike(8.0)), AudioFormat(RATE), container)
    with decode_stream(data, sample_rate=RATE, max_seconds=LIMIT) as whole:
        list(whole)
        assert whole.damage is None
    with decode_stream(data[: len(data) // 2], sample_rate=RATE, max_seconds=LIMIT) as reader:
        list(reader)
        assert reader.damage is not None


@pytest.mark.parametrize("container", ["mp3", "flac", "opus", "aac"])
def test_a_hole_in_the_middle_is_damage(container: Container) -> None:
    data = encode(float_to_pcm16(speechlike(8.0)), AudioFormat(RATE), container)
    middle = len(data) // 2
    hole = np.random.default_rng(9).bytes(400)
    with decode_stream(
        data[:middle] + hole + data[middle + 400 :], sample_rate=RATE, max_seconds=LIMIT
    ) as reader:
        list(reader)
        assert reader.damage is not None


@pytest.mark.parametrize(
    "tag",
    [
        b"TAG" + bytes(125),
        b"APETAGEX" + bytes(24),
        b"LYRICSBEGIN" + b"la" * 100 + b"000211LYRICS200",
        bytes(500),
    ],
    ids=["ID3v1", "APE", "Lyrics3", "padding"],
)
def test_a_tag_after_the_sound_is_no_damage(tag: bytes) -> None:
    data = encode(float_to_pcm16(speechlike()), AudioFormat(RATE), "mp3")
    assert decode(data + tag, sample_rate=RATE, max_seconds=LIMIT).size / RATE == pytest.approx(3.0)


def test_a_cut_song_with_its_cover_in_front_is_damaged() -> None:
    data = encode(float_to_pcm16(speechlike(8.0)), AudioFormat(RATE), "mp3")
    sound = data[10 + data[9] :]
    cover = b"ID3\x03\0\0" + bytes([0, 0, 23, 56]) + bytes(23 * 128 + 56)
    for kept, damaged in ((len(sound), False), (len(sound) // 2, True)):
        song = cover + sound[:kept]
        with decode_stream(song, sample_rate=RATE, max_seconds=LIMIT) as reader:
            list(reader)
            assert (reader.damage is not None) is damaged


@pytest.mark.parametrize("size", [1, 44, 500, 5_000, 50_000])
def test_noise_is_never_taken_for_audio(size: int) -> None:
    for seed in range(20):
        data = np.random.default_rng(seed).bytes(size)
        with pytest.raises(MeshError):
            decode(data, sample_rate=RATE, max_seconds=LIMIT)


@pytest.mark.parametrize("container", ["wav", "mp3", "flac", "opus"])
def test_whatever_the_bytes_only_mesh_errors_come_out(container: Container) -> None:
    data = encode(float_to_pcm16(speechlike(1.0)), AudioFormat(RATE), container)
    random = np.random.default_rng(5)
    for _ in range(100):
        changed = bytearray(data)
        for _ in range(int(random.integers(1, 10))):
            changed[int(random.integers(min(len(data), 400)))] = int(random.integers(256))
        try:
            with decode_stream(bytes(changed), sample_rate=RATE, max_seconds=60) as reader:
                assert all(block.ndim == 1 for block in reader)
        except MeshError as error:
            assert 400 <= error.status < 500


# --- what may be opened ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{path}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{path}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
        ";FFMETADATA1\ntitle=x\n",
        "{path}",
    ],
)
def test_files_that_name_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secret.wav"
    path.write_bytes(wav_of(speechlike()[np.newaxis]))
    with pytest.raises(UnsupportedMedia):
        decode(text.format(path=path).encode(), sample_rate=RATE, max_seconds=LIMIT)


def test_a_picture_without_sound_is_refused() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((96, 64), np.uint8), format="yuv420p")
        output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    with pytest.raises(UnsupportedMedia, match="no sound track"):
        decode(file.getvalue(), sample_rate=RATE, max_seconds=LIMIT)


def test_facts_about_the_file() -> None:
    source = AudioSource(io.BytesIO(wav_of(speechlike(rate=8_000)[np.newaxis], 8_000)))
    assert (source.container, source.codec) == ("wav", "pcm_s16le")
    assert (source.sample_rate, source.channels) == (8_000, 1)
    source.close()


# --- raw formats --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("audio/L16;rate=16000", RawFormat("s16le", 16_000)),
        ("audio/l16; rate = 8000; channels=2", RawFormat("s16le", 8_000, 2)),
        ("audio/L16;rate=44100;endianness=big-endian", RawFormat("s16be", 44_100)),
        ("audio/pcm", RawFormat("s16le", 24_000)),
        ('audio/pcm;rate="16000"', RawFormat("s16le", 16_000)),
        ("audio/basic", RawFormat("mulaw", 8_000)),
        ("audio/PCMA", RawFormat("alaw", 8_000)),
        ("audio/x-mulaw;rate=16000", RawFormat("mulaw", 16_000)),
        ("audio/wav", None),
        ("application/octet-stream", None),
        ("", None),
        (None, None),
    ],
)
def test_content_types_that_declare_raw_samples(
    content_type: str | None, expected: RawFormat | None
) -> None:
    assert raw_format_of(content_type) == expected


@pytest.mark.parametrize(
    "content_type",
    ["audio/L16", "audio/pcm;rate=fast", "audio/pcm;rate=0", "audio/pcm;channels=0"],
)
def test_impossible_raw_formats_are_refused(content_type: str) -> None:
    with pytest.raises(InvalidRequest):
        raw_format_of(content_type)


def test_an_unknown_raw_encoding_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="s16le"):
        RawFormat("mp3", RATE)


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
@pytest.mark.parametrize("encoding", ["s16le", "s16be"])
def test_raw_samples_decode_in_either_byte_order(encoding: str, channels: int) -> None:
    talk = speechlike(1.0)
    order = "<i2" if encoding == "s16le" else ">i2"
    data = np.repeat(float_to_pcm16(talk), channels).astype(order).tobytes()
    declared = RawFormat(encoding, RATE, channels)
    heard = decode(data, sample_rate=RATE, max_seconds=LIMIT, declared=declared)
    assert np.abs(heard - talk).max() < 1e-4


def test_raw_alaw_is_decoded() -> None:
    # 0xD5 is A-law's smallest positive value, 0xAA its largest (ITU-T G.711).
    data = bytes([0xD5, 0xAA] * 4_000)
    heard = decode(data, sample_rate=8_000, max_seconds=LIMIT, declared=RawFormat("alaw", 8_000))
    assert heard[0] == pytest.approx(8 / 32768)
    assert heard[1] == pytest.approx(32256 / 32768)
    assert math.isclose(heard.size, 8_000)
