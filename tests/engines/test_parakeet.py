"""Parakeet on a tiny real model: batches, times, confidence, long audio, refusals."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from shared.audio.decode import decode
from shared.core.errors import InvalidRequest, NotReady
from stt_service.engines.base import SAMPLE_RATE, Options
from stt_service.engines.pause_splitting import passages
from stt_service.engines.voice_activity import SpeechDetector

torch = pytest.importorskip("torch")
pytest.importorskip("nemo")

from stt_service.engines.parakeet import ParakeetEngine  # noqa: E402
from stt_service.settings import SttSettings  # noqa: E402


def samples_of(speech_dir, file):
    return decode((speech_dir / file).read_bytes(), sample_rate=SAMPLE_RATE, max_seconds=600)


def heard(engine, samples, **options):
    made = engine.transcribe([samples], Options(**options))
    segments = list(made)
    return made, segments, "".join(segment.text for segment in segments)


def test_concurrent_recordings_are_heard_as_alone(parakeet, speech_dir):
    clips = [samples_of(speech_dir, f"speech/en_{n:02d}.flac") for n in range(1, 9)]
    alone = [heard(parakeet, clip)[2] for clip in clips]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda clip: heard(parakeet, clip)[2], clips))
    assert together == alone
    assert len(set(alone)) > 4


def test_words_have_times_and_probabilities(parakeet, speech_dir):
    samples = samples_of(speech_dir, "speech/en_04.flac")
    _, segments, _ = heard(parakeet, samples, word_times=True, segment_times=True)
    words = [word for segment in segments for word in segment.words]
    assert len(words) > 5
    assert all(0 <= w.start <= w.end <= len(samples) / SAMPLE_RATE for w in words)
    assert all(before.start <= after.start for before, after in pairwise(words))
    assert all(0 < word.probability <= 1 for word in words)
    assert all(isinstance(value, float) for w in words for value in (w.start, w.end))
    assert segments[0].avg_logprob < 0


def test_words_come_only_when_asked_for(parakeet, speech_dir):
    _, segments, _ = heard(parakeet, samples_of(speech_dir, "speech/en_04.flac"))
    assert all(segment.words is None for segment in segments)


def test_a_long_recording_comes_in_passages_in_order(parakeet, speech_dir):
    samples = samples_of(speech_dir, "long/long_en_ljspeech.mp3")
    made, segments, _ = heard(parakeet, samples)
    assert made.language == "en"
    assert len(segments) > 1
    assert all(before.end <= after.start + 0.01 for before, after in pairwise(segments))


def test_local_attention_takes_longer_passages(tiny_parakeet, speech_dir):
    settings = SttSettings(_env_file=None, **tiny_parakeet, parakeet_attention="local")
    engine = ParakeetEngine(settings)
    engine.load()
    samples = samples_of(speech_dir, "long/long_en_ljspeech.mp3")
    _, segments, text = heard(engine, samples)
    engine.close()
    assert engine._lengths.passage_s > 500
    one = list(passages([samples], SpeechDetector(), engine._lengths))
    assert len(segments) == len(one) < 3
    assert text


def test_closing_early_leaves_nothing_in_the_queue(parakeet, speech_dir):
    samples = samples_of(speech_dir, "long/long_en_ljspeech.mp3")
    made = parakeet.transcribe([samples] * 5, Options())
    next(iter(made))
    made.close()
    assert heard(parakeet, samples[: 5 * SAMPLE_RATE])[1]


def test_a_passage_shorter_than_a_frame_is_no_error(parakeet):
    assert parakeet._hear(np.full(10, 0.1, np.float32), caller="x") is not None


def test_translation_is_refused_and_what_is_ignored_is_named(parakeet, speech_dir):
    with pytest.raises(InvalidRequest):
        parakeet.transcribe([], Options(task="translate"))
    samples = samples_of(speech_dir, "speech/en_04.flac")
    made, _, _ = heard(parakeet, samples, prompt="Voicemesh", temperature=0.5)
    assert "prompt, temperature" in made.warnings[0]


@pytest.mark.parametrize(
    ("settings", "languages"),
    [
        ({}, {"en"}),
        ({"parakeet_model": "nvidia/stt_es_fastconformer_hybrid_large_pc"}, {"es"}),
        ({"parakeet_model": "nvidia/parakeet-tdt_ctc-0.6b-ja"}, {"ja"}),
        ({"parakeet_model": "/own/model.nemo"}, set()),
        ({"parakeet_model": "/own/model.nemo", "parakeet_languages": "pt,gl"}, {"pt", "gl"}),
    ],
)
def test_the_languages_are_those_of_the_name_or_as_told(settings, languages):
    assert ParakeetEngine(SttSettings(_env_file=None, **settings)).spec.languages == languages


def test_the_european_model_declares_its_languages():
    engine = ParakeetEngine(
        SttSettings(_env_file=None, parakeet_model="nvidia/parakeet-tdt-0.6b-v3")
    )
    assert {"en", "es", "pt", "uk"} <= engine.spec.languages
    assert len(engine.spec.languages) == 25


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_never_replaced_by_the_processor(tiny_parakeet):
    settings = SttSettings(_env_file=None, **tiny_parakeet | {"stt_device": "cuda"})
    with pytest.raises(NotReady, match="configured for cuda"):
        ParakeetEngine(settings).load()
