"""Passages of speech: nothing lost, nothing twice, bounded lengths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.wire.transcription import Segment
from stt_service.engines.base import SAMPLE_RATE, Options, Recognition, SttEngine
from stt_service.engines.fake import FakeStt
from stt_service.engines.pause_splitting import WHISPER, passages
from stt_service.engines.voice_activity import level, regions_of
from stt_service.engines.whisper_fast import looks_wrong


def loud_regions(samples):
    """A detector: speech is where the samples are not zero."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (samples != 0).astype(int), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def recording(*stretches):
    """Numbered samples where there is speech, zeros elsewhere: (seconds, is speech)."""
    parts, number = [], 1
    for seconds, speech in stretches:
        n = int(seconds * SAMPLE_RATE)
        parts.append(np.arange(number, number + n) if speech else np.zeros(n))
        number += n
    return np.concatenate(parts).astype(np.float64)


def blocks(samples, seconds=5):
    size = int(seconds * SAMPLE_RATE)
    return [samples[i : i + size] for i in range(0, len(samples), size)]


def test_silence_has_no_passage():
    assert list(passages(blocks(np.zeros(SAMPLE_RATE * 40)), loud_regions)) == []
    assert list(passages([], loud_regions)) == []


def test_a_sentence_between_silences():
    (only,) = passages(blocks(recording((12, 0), (4, 1), (10, 0))), loud_regions)
    assert only.start_s == 12.0
    assert len(only.samples) == 4 * SAMPLE_RATE


def test_long_pauses_separate_and_short_ones_do_not():
    apart = list(passages(blocks(recording((3, 1), (2.5, 0), (3, 1))), loud_regions))
    assert [p.start_s for p in apart] == [0.0, 5.5]
    together = list(passages(blocks(recording((3, 1), (1, 0), (3, 1))), loud_regions))
    assert len(together) == 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0.2, 40), st.booleans()), min_size=1, max_size=6))
def test_every_sample_of_speech_is_in_exactly_one_passage(stretches):
    samples = recording(*stretches)
    seen = []
    for passage in passages(blocks(samples), loud_regions):
        assert len(passage.samples) <= (WHISPER.passage_s + 0.1) * SAMPLE_RATE
        start = round(passage.start_s * SAMPLE_RATE)
        np.testing.assert_array_equal(
            passage.samples, samples[start : start + len(passage.samples)]
        )
        seen.append(passage.samples[passage.samples != 0])
    heard = np.concatenate(seen) if seen else np.zeros(0)
    np.testing.assert_array_equal(heard, samples[samples != 0])


def test_memory_is_one_buffer_however_long_the_recording():
    looked_at = []

    def detect(samples):
        looked_at.append(len(samples))
        return loud_regions(samples)

    def endless():
        for _ in range(100):
            yield recording((4.5, 1), (0.5, 0))

    assert sum(len(p.samples) for p in passages(endless(), detect))
    assert max(looked_at) <= WHISPER.buffer_s * SAMPLE_RATE


def test_regions_have_hysteresis_padding_and_limits():
    frame = 512
    quiet, loud = [0.1] * 30, [0.9] * 20
    assert regions_of(np.array(quiet * 3), 90 * frame) == []
    ((start, end),) = regions_of(np.array(quiet + loud + quiet), 80 * frame)
    assert start == 30 * frame - 4800
    assert end == 50 * frame + 4800
    # A dip above the release level, and a short pause, do not end speech; a click is not speech.
    assert len(regions_of(np.array(loud + [0.4] * 10 + loud), 50 * frame)) == 1
    assert len(regions_of(np.array(loud + [0.1] * 10 + loud), 50 * frame)) == 1
    assert regions_of(np.array(quiet + [0.9] * 2 + quiet), 62 * frame) == []
    assert regions_of(np.array(loud), 100)[0] == (0, 100)


def test_levels():
    quiet = np.sin(np.arange(1600) / 10).astype(np.float32) * 0.001 + 0.4
    levelled = level(quiet)
    assert abs(float(levelled.mean())) < 1e-3
    assert float(np.abs(levelled).max()) == pytest.approx(0.1, rel=0.02)
    assert not level(np.zeros(10, np.float32)).any()


def segment(text="some words that are said here", **values):
    return Segment(**{"start": 0, "end": 3, "text": text, "avg_logprob": -0.2, **values})


def test_results_that_look_wrong():
    assert not looks_wrong(segment(), 3)
    assert looks_wrong(segment(avg_logprob=-0.9), 3)
    assert looks_wrong(segment(compression_ratio=2.3), 3)
    assert looks_wrong(segment(no_speech_prob=0.7), 3)
    assert looks_wrong(segment("you"), 8)
    assert looks_wrong(segment(tokens=list(range(60))), 3)


def test_the_base_session_buffers_until_it_is_finished():
    session = FakeStt().open_session(Options())
    session.feed(np.full(8000, 0.5, np.float32))
    session.feed(np.full(8000, 0.5, np.float32))
    assert [s.text for s in session.finish()] == [" heard 0.50 s", " heard 0.50 s"]
    with pytest.raises(ValueError, match="ended"):
        session.feed(np.zeros(1, np.float32))
    with pytest.raises(ValueError, match="ended"):
        session.finish()
    session.close()


def test_recognitions_close_what_they_hold():
    engine = FakeStt()
    made = engine.transcribe([np.ones(100, np.float32)] * 3, Options())
    next(made.segments)
    made.close()
    assert engine.closed_early == 1
    Recognition(iter(())).close()
    assert issubclass(FakeStt, SttEngine)
