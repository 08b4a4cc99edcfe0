from __future__ import annotations

import numpy as np
import pytest

from tts_service.sound.joins import fade, pause_after, silence

RATE = 24_000


def test_faded_edges_are_zero_and_the_middle_is_untouched() -> None:
    samples = np.ones(RATE, np.float32)
    faded = fade(samples, RATE)
    assert faded[0] == 0.0
    assert faded[-1] == pytest.approx(0.0, abs=1e-6)
    assert (faded[RATE // 4 : RATE // 2] == 1.0).all()
    assert np.abs(np.diff(faded)).max() < 0.04
    assert (samples == 1.0).all()


def test_the_smallest_pieces_fade_too() -> None:
    assert fade(np.ones(3, np.float32), RATE).size == 3
    assert fade(np.ones(0, np.float32), RATE).size == 0


def test_pauses_follow_the_marks() -> None:
    ordered = ["and then", "one, ", "two;", "three.", "four…"]
    pauses = [pause_after(text) for text in ordered]
    assert pauses == sorted(pauses)
    assert len(set(pauses)) == len(pauses)
    assert pause_after("three.", ends_paragraph=True) > pause_after("three.")


@pytest.mark.parametrize("text", ['He said "yes."', "(Yes.) ", "«Sí.»", "はい。」"])
def test_closing_quotes_do_not_hide_the_mark(text: str) -> None:
    assert pause_after(text) == pause_after("Yes.")


def test_only_closers_get_the_short_pause() -> None:
    assert pause_after('"') == pause_after("word")


def test_silence_is_as_long_as_asked() -> None:
    assert silence(0.25, RATE).size == RATE // 4
    assert not silence(0.25, RATE).any()
