from __future__ import annotations

import numpy as np
import pytest

from tts_service.sound.tempo import share_speed, stretch

RATE = 24_000


def dominant_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return float(np.argmax(spectrum) * RATE / samples.size)


@pytest.mark.parametrize(
    ("speed", "shares"),
    [(1.0, (1.0, 1.0)), (0.25, (0.5, 0.5)), (3.0, (1.5, 2.0)), (1.5, (1.5, 1.0))],
)
def test_the_model_does_what_it_can(speed: float, shares: tuple[float, float]) -> None:
    assert share_speed(speed, (0.5, 1.5)) == pytest.approx(shares)


@pytest.mark.parametrize("factor", [0.25, 0.4, 0.5, 0.8, 1.3, 2.67])
def test_stretching_changes_length_and_not_pitch(factor: float) -> None:
    tone = (0.3 * np.sin(2 * np.pi * 220 * np.arange(2 * RATE) / RATE)).astype(np.float32)
    out = stretch(tone, RATE, factor)
    assert out.dtype == np.float32
    assert out.size == pytest.approx(tone.size / factor, rel=0.05)
    assert dominant_hz(out) == pytest.approx(220, rel=0.03)


def test_near_one_nothing_is_done() -> None:
    tone = np.ones(100, np.float32)
    assert stretch(tone, RATE, 1.001) is tone
    assert stretch(tone[:0], RATE, 2.0).size == 0
