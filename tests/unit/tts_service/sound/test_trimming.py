"""Silence around speech, in whole waveforms and in chunks; fades over chunks."""

import numpy as np
import pytest

from tts_service.sound.joins import fade, fade_chunks
from tts_service.sound.trimming import trim, trimmed

RATE = 24_000


def sound(seconds, level=0.3):
    return (level * np.sin(np.arange(round(seconds * RATE)) / 5)).astype(np.float32)


def quiet(seconds):
    return np.zeros(round(seconds * RATE), np.float32)


def pieces(samples, size):
    return [samples[start : start + size] for start in range(0, len(samples), size)]


def run(samples, size=4096):
    return np.concatenate([*fade_chunks(trimmed(pieces(samples, size), RATE), RATE), quiet(0)])


@pytest.mark.parametrize("size", [100, 1000, 4096, 1_000_000])
def test_silence_around_speech_is_cut_whatever_the_chunks(size):
    got = run(np.concatenate((quiet(0.5), sound(1.0), quiet(2.0))), size)
    assert 1.0 * RATE <= got.size <= 1.1 * RATE


@pytest.mark.parametrize("size", [100, 1000, 4096])
def test_speech_is_whole_and_in_order(size):
    speech = np.linspace(0.1, 0.9, RATE).astype(np.float32)
    got = run(speech, size)
    inside = slice(RATE // 10, -RATE // 10)
    assert np.array_equal(got[: speech.size][inside], speech[inside])


def test_a_pause_inside_stays():
    got = run(np.concatenate((sound(0.5), quiet(0.4), sound(0.5))))
    assert got.size == pytest.approx(1.4 * RATE, abs=0.05 * RATE)


def test_a_very_long_pause_stays():
    chunks = trimmed(pieces(np.concatenate((sound(0.5), quiet(5.0), sound(0.5))), 2400), RATE)
    assert sum(chunk.size for chunk in chunks) == pytest.approx(6.0 * RATE, abs=0.1 * RATE)


def test_both_ends_are_at_zero():
    got = run(np.concatenate((sound(0.3), quiet(0.01))))
    assert abs(got[0]) < 1e-3
    assert abs(got[-1]) < 1e-3


def test_sound_leaves_before_the_end():
    made = []

    def source():
        for number in range(10):
            made.append(number)
            yield sound(0.2)

    assert next(fade_chunks(trimmed(source(), RATE), RATE)).size
    assert made == [0]


def test_silence_and_nothing_give_nothing():
    assert run(quiet(1.0)).size == 0
    assert run(quiet(0)).size == 0


def test_a_click_of_less_than_a_frame_is_not_lost_silently():
    assert run(sound(0.011)).size > 0


@pytest.mark.parametrize("size", [100, 999, 4096, 1_000_000])
def test_chunks_are_trimmed_and_faded_as_the_whole(size):
    samples = np.concatenate((quiet(0.3), sound(0.7), quiet(0.2), sound(0.4), quiet(0.5)))
    assert np.array_equal(run(samples, size), fade(trim(samples, RATE), RATE))


def test_trim_keeps_a_little_around_the_speech():
    hiss = np.full(RATE // 2, 1e-5, np.float32)
    kept = trim(np.concatenate((hiss, np.full(RATE, 0.2, np.float32), hiss)), RATE)
    assert kept.size == RATE + round(0.02 * RATE) + round(0.06 * RATE)


def test_trim_of_silence_leaves_nothing():
    assert trim(quiet(1.0), RATE).size == 0


def test_trim_leaves_what_is_shorter_than_a_frame():
    assert trim(np.ones(10, np.float32), RATE).size == 10


def test_noise_that_nobody_hears_is_silence():
    noise = np.random.default_rng(1).normal(0, 2e-5, RATE).astype(np.float32)
    assert trim(noise, RATE).size == 0
