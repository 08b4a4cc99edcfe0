"""One contract for every recogniser; those that are not installed here skip visibly."""

from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest

import numpy as np
import pytest

from shared.audio.decode import decode, decode_stream
from shared.core.errors import InvalidRequest
from stt_service.engines import REGISTRY
from stt_service.engines.base import SAMPLE_RATE, Options
from stt_service.settings import SttSettings
from tests.bench.gpu.workload import babble
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


@pytest.fixture
def utterances(request, engine):
    """Four recordings of some seconds in which the engine hears something, each its own:
    speech for real weights, made-up vowels for random ones, tones for the fake."""
    name = engine.spec.name
    if name == "fake":
        return [tone(seconds) for seconds in (1, 2, 3, 4)]
    if name == "parakeet":
        return [babble(seconds, seed) for seed, seconds in enumerate((3, 4, 5, 6))]
    folder = request.getfixturevalue("speech_dir")
    files = [f"speech/en_{number:02d}.flac" for number in (8, 13, 27, 30)]
    return [
        decode((folder / file).read_bytes(), sample_rate=SAMPLE_RATE, max_seconds=60)
        for file in files
    ]


def in_passages(utterances):
    """Blocks with pauses between the utterances, so that each is recognised by itself."""
    pause = np.zeros(3 * SAMPLE_RATE, np.float32)
    return [block for samples in utterances for block in (samples, pause)]


def heard(engine, blocks, **options):
    """The segments of ``blocks`` as text and times."""
    made = engine.transcribe(blocks, Options(language="en", **options))
    return [(segment.text, segment.start, segment.end) for segment in made]


def text_of(engine, samples):
    return "".join(text for text, _, _ in heard(engine, [samples])).strip()


def test_the_spec_is_complete(engine):
    assert engine.spec.languages
    assert engine.spec.licence
    assert engine.spec.sample_rate == SAMPLE_RATE


def test_silence_and_nothing_give_no_segments(engine):
    for blocks in ([], [np.zeros(0, np.float32)], [np.zeros(SAMPLE_RATE, np.float32)] * 3):
        made = engine.transcribe(blocks, Options())
        assert list(made) == []
        assert made.language is None


def test_an_unsupported_language_is_refused_and_costs_nothing(engine, utterances):
    before = text_of(engine, utterances[0])
    with pytest.raises(InvalidRequest) as refused:
        list(engine.transcribe([utterances[0]], Options(language="tlh")))
    assert refused.value.param == "language"
    assert set(refused.value.details["available"]) == engine.spec.languages
    assert text_of(engine, utterances[0]) == before


def test_a_session_gives_what_the_whole_gives(engine, utterances):
    samples = utterances[0]
    blocks = np.array_split(samples, 3)
    session = engine.open_session(Options(language="en"))
    for block in blocks:
        session.feed(block)
    fed = [(segment.text, segment.start, segment.end) for segment in session.finish()]
    assert fed == heard(engine, blocks)
    assert "".join(text for text, _, _ in fed).strip()
    with pytest.raises(ValueError, match="ended"):
        session.feed(samples)
    session.close()


def test_a_session_thrown_away_leaves_the_engine_free(engine, utterances):
    session = engine.open_session(Options(language="en"))
    session.feed(utterances[0])
    session.close()
    assert text_of(engine, utterances[0])


def test_closing_early_leaves_the_engine_free_and_as_it_was(engine, utterances):
    before = text_of(engine, utterances[0])
    long = in_passages(utterances * 8)
    for _ in range(3):
        made = engine.transcribe(long, Options(language="en"))
        assert next(iter(made)).text
        made.close()
        made.close()
        assert next(iter(made), None) is None
    never_begun = engine.transcribe(long, Options(language="en"))
    never_begun.close()
    assert text_of(engine, utterances[0]) == before


def test_parallel_calls_do_not_mix(engine, utterances):
    alone = [text_of(engine, samples) for samples in utterances]
    assert all(alone)
    assert len(set(alone)) == len(alone)
    with ThreadPoolExecutor(len(utterances)) as pool:
        for _ in range(2):
            together = list(pool.map(lambda samples: text_of(engine, samples), utterances))
            assert together == alone


def test_two_recordings_taken_in_turns_do_not_mix(engine, utterances):
    rows = [in_passages([utterances[number]] * 3) for number in (0, 1)]
    alone = [heard(engine, row) for row in rows]
    made = [iter(engine.transcribe(row, Options(language="en"))) for row in rows]
    found = [[], []]
    for pair in zip_longest(*made):
        for row, segment in zip(found, pair, strict=True):
            if segment is not None:
                row.append((segment.text, segment.start, segment.end))
    assert found == alone
    assert all(len(row) >= 3 for row in found)


def test_loading_twice_is_loading_anew(engine, utterances):
    before = heard(engine, [utterances[0]])
    engine.load()
    engine.warm_up()
    assert heard(engine, [utterances[0]]) == before


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
