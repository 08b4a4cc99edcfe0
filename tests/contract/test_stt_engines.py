"""One contract for every recogniser; those that are not installed here skip visibly."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from shared.audio import decode_stream
from shared.errors import InvalidRequest
from stt_service.engines import REGISTRY
from stt_service.engines.base import SAMPLE_RATE, Options
from stt_service.settings import SttSettings
from tests.bench.scoring import score

MARKS = {"whisper": [pytest.mark.models], "parakeet": [pytest.mark.engines]}
PARAMETERS = [pytest.param(name, marks=MARKS.get(name, [])) for name in REGISTRY.names]
_loaded = {}


@pytest.fixture(params=PARAMETERS)
def engine(request):
    name = request.param
    if missing := REGISTRY.missing(name):
        pytest.skip(f"{name} needs {missing}")
    values = {}
    if name == "whisper":
        request.getfixturevalue("models_dir")
    if name == "parakeet":
        values = request.getfixturevalue("tiny_parakeet")
    if name not in _loaded:
        built = REGISTRY.build(name, SttSettings(_env_file=None, **values))
        built.load()
        built.warm_up()
        _loaded[name] = built
    return _loaded[name]


def tone(seconds):
    return (np.sin(np.arange(int(seconds * SAMPLE_RATE)) / 7) * 0.5).astype(np.float32)


def test_the_spec_is_complete(engine):
    assert engine.spec.languages
    assert engine.spec.licence
    assert engine.spec.sample_rate == SAMPLE_RATE


def test_silence_and_nothing_give_no_segments(engine):
    for blocks in ([], [np.zeros(0, np.float32)], [np.zeros(SAMPLE_RATE, np.float32)] * 3):
        made = engine.transcribe(blocks, Options())
        assert list(made) == []
        assert made.language is None


def test_unknown_languages_are_refused(engine):
    with pytest.raises(InvalidRequest):
        list(engine.transcribe([tone(1)], Options(language="tlh")))


def test_a_session_gives_what_the_whole_gives(engine):
    blocks = [tone(0.5), tone(0.5)]
    session = engine.open_session(Options(language="en"))
    for block in blocks:
        session.feed(block)
    fed = [segment.text for segment in session.finish()]
    assert fed == [segment.text for segment in engine.transcribe(blocks, Options(language="en"))]
    session.close()


def test_closing_early_is_harmless(engine):
    made = engine.transcribe([tone(1)] * 3, Options())
    made.close()
    made.close()


def test_parallel_calls_do_not_mix(engine):
    rows = [tone(seconds) + noise for seconds, noise in ((1, 0.0), (2, 0.1), (3, 0.2), (4, 0.3))]
    alone = [text_of(engine, samples) for samples in rows]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda samples: text_of(engine, samples), rows))
    assert together == alone


def text_of(engine, samples):
    return "".join(segment.text for segment in engine.transcribe([samples], Options(language="en")))


@pytest.mark.models
class TestRealSpeech:
    @pytest.fixture
    def whisper(self, models_dir):
        if "whisper" not in _loaded:
            built = REGISTRY.build("whisper", SttSettings(_env_file=None))
            built.load()
            _loaded["whisper"] = built
        return _loaded["whisper"]

    def read(self, engine, speech_dir, file, options=None):
        with decode_stream(
            (speech_dir / file).read_bytes(), sample_rate=SAMPLE_RATE, max_seconds=600
        ) as reader:
            made = engine.transcribe(reader, options or Options())
            segments = list(made)
        return made, segments, "".join(segment.text for segment in segments).strip()

    @pytest.mark.parametrize(
        "options", [Options(), Options(segment_times=True), Options(word_times=True)]
    )
    def test_words_are_right_on_both_paths(self, whisper, speech_dir, manifest, options):
        row = next(r for r in manifest if r["file"] == "speech/en_04.flac")
        made, segments, text = self.read(whisper, speech_dir, row["file"], options)
        assert score(row["transcript"], text, "en").rate <= 0.1
        assert made.language == "en"
        for segment in segments:
            assert 0 <= segment.start < segment.end <= row["seconds"] + 0.05
        if options.word_times:
            words = [word for segment in segments for word in segment.words]
            assert len(words) >= 15
            starts = [word.start for word in words]
            assert starts == sorted(starts)

    def test_a_long_recording_is_whole_and_in_order(self, whisper, speech_dir, manifest):
        row = next(r for r in manifest if r["file"] == "long/long_en_ljspeech.mp3")
        _, segments, text = self.read(whisper, speech_dir, row["file"])
        assert score(row["transcript"], text, "en").rate <= 0.1
        starts = [segment.start for segment in segments]
        assert starts == sorted(starts)
        assert len(segments) > 1

    @pytest.mark.parametrize("options", [Options(), Options(word_times=True, segment_times=True)])
    def test_passages_in_batches_are_as_right_as_alone(
        self, models_dir, speech_dir, manifest, options
    ):
        engine = REGISTRY.build("whisper", SttSettings(_env_file=None, whisper_batch=4))
        engine.load()
        row = next(r for r in manifest if r["file"] == "long/long_en_ljspeech.mp3")
        _, segments, text = self.read(engine, speech_dir, row["file"], options)
        engine.close()
        assert score(row["transcript"], text, "en").rate <= 0.1
        starts = [segment.start for segment in segments]
        assert starts == sorted(starts)
        assert segments[-1].end == pytest.approx(row["seconds"], abs=3)
        if options.word_times:
            times = [word.start for segment in segments for word in segment.words]
            assert times == sorted(times)

    @pytest.mark.parametrize(
        "file", ["noise.wav", "mains_hum.flac", "dtmf_8k.wav", "music_instrumental.ogg", "bird.ogg"]
    )
    def test_what_is_no_speech_gives_no_words(self, whisper, speech_dir, file):
        assert self.read(whisper, speech_dir, f"awkward/{file}")[2] == ""

    def test_translation_is_english(self, whisper, speech_dir):
        _, _, text = self.read(whisper, speech_dir, "speech/es_11.flac", Options(task="translate"))
        assert {"resolution", "shame", "take", "me"} & set(text.lower().strip(".").split())
