from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
import pytest

from shared.audio.pcm import Float32
from tts_service.sound.loudness import TARGET_LUFS, gain_for, integrated_lufs, limit, to_pcm16


def sine(dbfs: float, seconds: float, rate: int, hz: float = 997.0) -> Float32:
    t = np.arange(round(seconds * rate)) / rate
    return (10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def bursts(rate: int) -> Float32:
    """Noise in bursts of different level with pauses: both gates have something to do."""
    rng = np.random.default_rng(7)
    parts = []
    for level in (0.3, 0.02, 0.15, 0.0, 0.25, 0.001):
        parts.append(level * rng.standard_normal(round(1.3 * rate)))
        parts.append(np.zeros(round(0.5 * rate)))
    return np.concatenate(parts).astype(np.float32)


def ffmpeg_lufs(samples: Float32, rate: int) -> float:
    """Integrated loudness by FFmpeg's ``ebur128`` filter, which notes it on each frame."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(format="flt", sample_rate=rate, layout="mono")
    meter = graph.add("ebur128", "framelog=quiet:metadata=1")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(samples[None, :], format="flt", layout="mono")
    frame.sample_rate = rate
    graph.push(frame)
    graph.push(None)
    *_, last = frames(graph)
    return float(last.metadata["lavfi.r128.I"])


def frames(graph: av.filter.Graph) -> Iterator[Any]:
    while True:
        try:
            yield graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


@pytest.mark.parametrize("rate", [16_000, 24_000, 48_000])
def test_a_full_scale_sine_reads_what_the_standard_says(rate: int) -> None:
    # BS.1770-4: a 0 dBFS sine of 997 Hz in one channel reads -3.01 LUFS.
    assert integrated_lufs(sine(-20, 3, rate), rate) == pytest.approx(-23.01, abs=0.05)


def test_it_agrees_with_ffmpeg() -> None:
    samples = bursts(48_000)
    assert integrated_lufs(samples, 48_000) == pytest.approx(ffmpeg_lufs(samples, 48_000), abs=0.15)


def test_the_rate_does_not_matter() -> None:
    low = integrated_lufs(sine(-30, 2, 24_000, 400), 24_000)
    assert low == pytest.approx(integrated_lufs(sine(-30, 2, 48_000, 400), 48_000), abs=0.05)


def test_silence_and_nothing_have_no_loudness() -> None:
    assert integrated_lufs(np.zeros(24_000, np.float32), 24_000) == float("-inf")
    assert integrated_lufs(np.zeros(0, np.float32), 24_000) == float("-inf")
    assert gain_for(float("-inf")) == 1.0


def test_shorter_than_a_block_is_measured_all_the_same() -> None:
    assert integrated_lufs(sine(-20, 0.2, 24_000), 24_000) == pytest.approx(-23, abs=0.5)


def test_the_gain_reaches_the_target() -> None:
    samples = sine(-35, 2, 24_000)
    lifted = samples * np.float32(gain_for(integrated_lufs(samples, 24_000)))
    assert integrated_lufs(lifted, 24_000) == pytest.approx(TARGET_LUFS, abs=0.05)


def test_the_gain_is_bounded() -> None:
    assert gain_for(-90.0) == pytest.approx(10 ** (24 / 20))


def test_the_limiter_leaves_what_is_soft_and_bends_the_rest_below_the_ceiling() -> None:
    ramp = np.linspace(-4, 4, 10_001).astype(np.float32)
    bent = limit(ramp)
    assert np.abs(bent).max() <= 10 ** (-1 / 20) + 1e-6
    soft = np.abs(ramp) < 10 ** (-4 / 20)
    assert np.array_equal(bent[soft], ramp[soft])
    assert (np.diff(bent) >= 0).all()


def test_pcm_never_wraps() -> None:
    loud = np.array([0.0, 5.0, -5.0, 0.1], np.float32)
    pcm = to_pcm16(loud)
    assert pcm.dtype == np.int16
    assert pcm[1] > 0 > pcm[2]
    assert np.abs(pcm.astype(int)).max() <= round(32767 * 10 ** (-1 / 20)) + 1
    assert pcm[3] == round(0.1 * 32767)
