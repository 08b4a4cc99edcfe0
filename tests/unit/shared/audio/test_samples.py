import numpy as np
import pytest

from shared.audio.downmix import ChannelStatistics
from shared.audio.pcm import Float32
from shared.audio.samples import Resampler, float_to_pcm16, pcm16_to_float, resample
from shared.core.errors import EngineFailure


def sine(rate: int, seconds: float = 1.0, hertz: float = 440.0) -> Float32:
    times = np.arange(int(rate * seconds)) / rate
    return (0.5 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def weights_of(*channels: np.ndarray) -> list[float]:
    statistics = ChannelStatistics(len(channels))
    block = np.stack(channels).astype(np.float32)
    for part in np.array_split(block, 7, axis=1):
        statistics.add(part)
    return [round(float(weight), 6) for weight in statistics.weights()]


NOISE = np.random.default_rng(3).normal(0, 0.1, 8_000)
OTHER = np.random.default_rng(4).normal(0, 0.1, 8_000)


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        ((NOISE, NOISE), [0.5, 0.5]),
        ((NOISE, OTHER), [0.5, 0.5]),
        ((NOISE, 0 * NOISE), [1, 0]),
        ((1e-4 * NOISE, NOISE), [0, 1]),
        ((NOISE, 0 * NOISE + 0.3), [1, 0]),
        ((NOISE, -NOISE), [1, 0]),
        ((0.9 * NOISE, -NOISE), [0, 1]),
        ((0 * NOISE, 0 * NOISE), [0.5, 0.5]),
        ((NOISE, OTHER, 0 * NOISE), [0.5, 0.5, 0]),
        ((NOISE, 0.1 * OTHER), [0.5, 0.5]),
    ],
)
def test_which_channels_are_heard(channels: tuple[np.ndarray, ...], expected: list[float]) -> None:
    assert weights_of(*channels) == expected


def test_no_samples_at_all_are_mixed_equally() -> None:
    assert ChannelStatistics(2).weights().tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("source", "target"), [(48_000, 16_000), (8_000, 24_000), (22_050, 16_000)]
)
def test_resampling_keeps_the_tone_its_level_and_its_length(source: int, target: int) -> None:
    made = resample(sine(source), source, target)
    assert abs(made.size - target) <= 2
    wanted = sine(target)
    middle = slice(target // 4, target // 2)
    assert np.abs(made[middle] - wanted[middle]).max() < 0.01


def test_resampling_chunk_by_chunk_gives_the_same_samples() -> None:
    tone = sine(44_100)
    resampler = Resampler(44_100, 16_000)
    parts = [resampler.feed(part) for part in np.array_split(tone, 50)] + [resampler.flush()]
    assert np.array_equal(np.concatenate(parts), resample(tone, 44_100, 16_000))


def test_resampling_to_the_same_rate_or_nothing_changes_nothing() -> None:
    tone = sine(16_000)
    assert resample(tone, 16_000, 16_000) is tone
    assert Resampler(16_000, 16_000).feed(tone) is tone
    assert Resampler(16_000, 8_000).flush().size == 0
    assert Resampler(16_000, 8_000).feed(tone[:0]).size == 0


def test_floats_are_clipped_and_rounded_to_int16() -> None:
    samples = np.array([0.0, 1.0, -1.0, 2.0, -2.0, 0.5 / 32767, 0.6 / 32767])
    assert float_to_pcm16(samples).tolist() == [0, 32767, -32767, 32767, -32767, 0, 1]
    assert pcm16_to_float(np.array([-32768, 0, 16384], dtype=np.int16)).tolist() == [-1, 0, 0.5]


def test_samples_that_are_no_numbers_are_the_engines_fault() -> None:
    with pytest.raises(EngineFailure):
        float_to_pcm16(np.array([0.0, np.nan]))
    with pytest.raises(EngineFailure):
        float_to_pcm16(np.array([np.inf]))
