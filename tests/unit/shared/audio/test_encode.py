from collections.abc import Iterator

import av
import numpy as np
import pytest

from shared.audio.decode import decode, decode_stream
from shared.audio.encode import MIME, Container, encode, encode_stream
from shared.audio.pcm import AudioFormat, Pcm16
from shared.audio.source import RawFormat

CONTAINERS: list[Container] = ["mp3", "opus", "aac", "flac", "wav", "pcm"]
LOSSLESS = {"flac", "wav", "pcm"}
RATE = 24_000
# Frames of padding that a stream without a length tag cannot say are to be dropped.
PADDING_S = 0.2


def tone(rate: int, seconds: float = 1.0) -> Pcm16:
    times = np.arange(int(rate * seconds)) / rate
    return (8_000 * np.sin(2 * np.pi * 440 * times)).astype(np.int16)


def decoded(data: bytes, container: str, rate: int) -> np.ndarray:
    declared = RawFormat("s16le", RATE) if container == "pcm" else None
    return decode(data, sample_rate=rate, max_seconds=60, declared=declared)


def chunked(samples: Pcm16, count: int = 10) -> Iterator[Pcm16]:
    yield from np.array_split(samples, count)


def test_every_container_has_a_content_type() -> None:
    assert set(MIME) == set(CONTAINERS)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("container", CONTAINERS)
def test_what_is_encoded_decodes_to_the_same_tone(
    container: Container, rate: int, streamed: bool
) -> None:
    samples = tone(rate)
    data = (
        b"".join(encode_stream(chunked(samples), AudioFormat(rate), container))
        if streamed
        else encode(samples, AudioFormat(rate), container)
    )
    heard = decoded(data, container, rate)
    assert rate - 2 <= heard.size <= rate * (1 + PADDING_S)
    middle = heard[rate // 4 : 3 * rate // 4]
    level = float(np.sqrt(np.mean(middle**2))) * 32768
    assert level == pytest.approx(8_000 / np.sqrt(2), rel=0.06)  # LAME turns down by 0.45 dB
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(middle.size)))
    peak = float(np.argmax(spectrum)) * rate / middle.size
    assert peak == pytest.approx(440, abs=2 * rate / middle.size)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("container", sorted(LOSSLESS))
def test_lossless_containers_keep_every_sample(container: Container, streamed: bool) -> None:
    samples = np.random.default_rng(1).integers(-32768, 32768, 5_000).astype(np.int16)
    data = (
        b"".join(encode_stream(chunked(samples), AudioFormat(RATE), container))
        if streamed
        else encode(samples, AudioFormat(RATE), container)
    )
    heard = decoded(data, container, RATE) * 32768
    assert np.array_equal(heard, samples)


@pytest.mark.parametrize("container", ["flac", "mp3", "wav", "opus"])
def test_a_whole_file_states_its_length(container: Container) -> None:
    data = encode(tone(RATE, 2.0), AudioFormat(RATE), container)
    cut = decode_stream(data[: len(data) // 2], sample_rate=RATE, max_seconds=60)
    assert sum(block.size for block in cut) < 1.5 * RATE
    assert cut.damage is not None


@pytest.mark.parametrize("container", CONTAINERS)
def test_bytes_leave_while_the_audio_is_still_being_made(container: Container) -> None:
    made = 0

    def produce() -> Iterator[Pcm16]:
        nonlocal made
        for part in np.array_split(tone(RATE, 4.0), 40):
            made += 1
            yield part

    stream = encode_stream(produce(), AudioFormat(RATE), container)
    size = 0
    while size < 1_000:
        size += len(next(stream))
    assert made <= 15
    stream.close()


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_failure_before_the_first_chunk_comes_before_any_byte(container: Container) -> None:
    def fail() -> Iterator[Pcm16]:
        raise RuntimeError("no voice")
        yield tone(RATE)

    with pytest.raises(RuntimeError, match="no voice"):
        next(encode_stream(fail(), AudioFormat(RATE), container))


@pytest.mark.parametrize("container", CONTAINERS)
def test_closing_the_stream_closes_the_producer(container: Container) -> None:
    closed = False

    def produce() -> Iterator[Pcm16]:
        nonlocal closed
        try:
            while True:
                yield tone(RATE, 0.1)
        finally:
            closed = True

    # Somebody else holds it too, so that it does not just go with the stream.
    source = produce()
    stream = encode_stream(source, AudioFormat(RATE), container)
    next(stream)
    stream.close()
    assert closed


@pytest.mark.parametrize("container", CONTAINERS)
def test_nothing_and_empty_chunks_are_encoded_without_an_error(container: Container) -> None:
    nothing = np.zeros(0, dtype=np.int16)
    assert isinstance(encode(nothing, AudioFormat(RATE), container), bytes)
    assert b"".join(encode_stream([], AudioFormat(RATE), container)) == b"".join(
        encode_stream(iter([]), AudioFormat(RATE), container)
    )
    parts = [nothing, tone(RATE, 0.5), nothing]
    data = b"".join(encode_stream(parts, AudioFormat(RATE), container))
    assert decoded(data, container, RATE).size >= RATE // 2 - 2


def test_an_empty_wav_stream_is_a_valid_empty_file() -> None:
    data = b"".join(encode_stream([], AudioFormat(RATE), "wav"))
    assert data == encode(np.zeros(0, dtype=np.int16), AudioFormat(RATE), "wav")


def test_pcm_is_always_24_khz() -> None:
    data = encode(tone(16_000, 1.0), AudioFormat(16_000), "pcm")
    assert abs(len(data) // 2 - RATE) <= 2


def test_more_than_one_channel_is_refused() -> None:
    with pytest.raises(ValueError, match="mono"):
        encode(tone(RATE), AudioFormat(RATE, 2), "wav")
    with pytest.raises(ValueError, match="mono"):
        next(encode_stream([tone(RATE)], AudioFormat(RATE, 2), "wav"))


def test_ogg_pages_are_short_enough_to_listen_along() -> None:
    parts = list(encode_stream(chunked(tone(RATE, 3.0), 30), AudioFormat(RATE), "opus"))
    pages = b"".join(parts).count(b"OggS")
    assert pages >= 25


def test_the_opus_stream_is_48_khz_ogg_as_players_expect() -> None:
    import io

    data = encode(tone(RATE), AudioFormat(RATE), "opus")
    with av.open(io.BytesIO(data)) as container:
        assert container.format.name == "ogg"
        assert container.streams.audio[0].codec_context.name == "opus"
