"""Voice matching: the solver, the encoder's front end, choice, cache, concurrency."""

import io
import threading
import wave

import numpy as np
import pytest

from shared.cache.disk import DiskCache
from shared.cache.embeddings import EmbeddingCache
from shared.cache.memory import MemoryCache
from shared.core.errors import InvalidRequest, UnsupportedMedia
from tts_service.voices.matching import VoiceMatcher, matcher
from tts_service.voices.matching.least_squares import non_negative_least_squares
from tts_service.voices.matching.matcher import EMBEDDINGS, KnownVoice, load_known_voices, sound_of
from tts_service.voices.matching.pitch import median_pitch
from tts_service.voices.matching.speaker_encoder import (
    SAMPLE_RATE,
    SpeakerEncoder,
    hz_to_mel,
    mel_filters,
    mel_to_hz,
    spectrogram,
    speech_only,
)


def recording(seconds=3.0, pitch=200.0, seed=0):
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(seed).normal(0, 0.01, len(t))
    samples = (np.sin(2 * np.pi * pitch * t) * 0.3 + noise) * 32767
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue()


class FakeEncoder:
    """Embeds by the mean level of the samples: what a fake style speaks is its own embedding."""

    def __init__(self):
        self.calls = 0

    def embed(self, samples):
        self.calls += 1
        return TARGET if len(samples) > SAMPLE_RATE else np.array(samples[:3], np.float32)


TARGET = np.array([0.8, 0.6, 0.0], np.float32)
VOICES = {
    "a": np.array([1, 0, 0], np.float32),
    "b": np.array([0, 1, 0], np.float32),
    "c": np.array([0, 0, 1], np.float32),
}
STYLES = {
    name: np.tile(np.resize(v, 256), (510, 1)).astype(np.float32) for name, v in VOICES.items()
}


KNOWN = {name: KnownVoice(v, 55.0) for name, v in VOICES.items()}


def make(tmp_path, monkeypatch, spoken=None, known=KNOWN):
    def synthesize(style):
        heard = style[0, :3] / np.linalg.norm(style[0, :3])
        if spoken is not None:
            spoken.append(heard)
        return heard, SAMPLE_RATE

    monkeypatch.setattr(matcher, "embed_speech", lambda encoder, samples, rate: samples)
    encoder = FakeEncoder()
    store = DiskCache(tmp_path / "cache", 1 << 26)
    made = VoiceMatcher(STYLES, encoder, EmbeddingCache(store), synthesize, known)
    return made, encoder


def test_the_mix_nearest_to_the_recording_is_chosen(tmp_path, monkeypatch):
    found, _ = make(tmp_path, monkeypatch)
    voice = found.match(recording())
    assert voice.voices == pytest.approx({"a": 0.571, "b": 0.429}, abs=0.01)
    assert voice.similarity == pytest.approx(1.0, abs=0.01)
    assert voice.style.shape == (510, 256)
    assert voice.id.startswith("match-")
    assert voice.id.isascii()
    assert not voice.cached


def test_a_single_voice_wins_where_its_speech_is_nearer(tmp_path, monkeypatch):
    found, _ = make(tmp_path, monkeypatch)
    single = np.array([1, 0, 0], np.float32)
    monkeypatch.setattr(matcher, "embed_speech", lambda e, s, r: TARGET if s[1] < 0.1 else single)
    assert found.match(recording()).voices == {"a": 1.0}


def test_voices_of_another_register_are_no_candidates(tmp_path, monkeypatch):
    monkeypatch.setattr(matcher, "FEWEST_CANDIDATES", 1)
    # The recording's 200 Hz are note 55.3; the encoder alone would have taken a.
    known = {"a": KnownVoice(VOICES["a"], 45.0), "b": KnownVoice(VOICES["b"], 54.0)}
    found, _ = make(tmp_path, monkeypatch, known=known)
    assert found.match(recording()).voices == {"b": 1.0}


def test_a_few_candidates_stay_where_none_has_the_register(tmp_path, monkeypatch):
    far = {name: KnownVoice(v, 20.0) for name, v in VOICES.items()}
    found, _ = make(tmp_path, monkeypatch, known=far)
    assert found.match(recording()).voices == pytest.approx({"a": 0.571, "b": 0.429}, abs=0.01)


@pytest.mark.parametrize(("hertz", "note"), [(110.0, 45.0), (220.0, 57.0), (329.63, 64.0)])
def test_pitch_of_a_voice_like_tone(hertz, note):
    t = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    tone = sum(np.sin(2 * np.pi * hertz * n * t) / n for n in range(1, 6))
    assert median_pitch(tone.astype(np.float32)) == pytest.approx(note, abs=0.4)


def test_noise_and_too_little_have_no_pitch():
    noise = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    assert median_pitch(noise) is None
    assert median_pitch(noise[:100]) is None


def test_the_second_use_is_remembered_in_memory_and_on_disk(tmp_path, monkeypatch):
    spoken = []
    found, encoder = make(tmp_path, monkeypatch, spoken)
    first = found.match(recording())
    assert found.match(recording()).cached
    assert encoder.calls == 1
    again, encoder = make(tmp_path, monkeypatch)
    kept = again.match(recording())
    assert kept.cached
    assert encoder.calls == 0
    assert (kept.id, kept.voices) == (first.id, pytest.approx(first.voices))
    np.testing.assert_array_equal(kept.style, first.style)
    assert found.match(recording(seed=1)).id != first.id


def test_a_damaged_entry_is_made_again_with_a_warning(tmp_path, monkeypatch, caplog):
    make(tmp_path, monkeypatch)[0].match(recording())
    (file,) = (tmp_path / "cache").rglob("*.val")
    file.write_bytes(b"damaged")
    found, encoder = make(tmp_path, monkeypatch)
    assert not found.match(recording()).cached
    assert encoder.calls == 1
    assert "damaged" in caplog.text
    assert make(tmp_path, monkeypatch)[0].match(recording()).cached


def test_a_cache_that_keeps_nothing_costs_nothing_but_time(tmp_path, monkeypatch):
    found, encoder = make(tmp_path, monkeypatch)
    monkeypatch.setattr(found, "_cache", EmbeddingCache(MemoryCache(0)))
    for _ in range(2):
        assert not found.match(recording()).cached
    assert encoder.calls == 2


def test_other_styles_make_another_voice(tmp_path, monkeypatch):
    first = make(tmp_path, monkeypatch)[0].match(recording())
    monkeypatch.setitem(STYLES, "a", STYLES["a"] * np.float32(2))
    second = make(tmp_path, monkeypatch)[0].match(recording())
    assert not second.cached
    assert second.id != first.id


def test_callers_with_the_same_recording_make_it_once(tmp_path, monkeypatch):
    found, encoder = make(tmp_path, monkeypatch)
    threads = [threading.Thread(target=found.match, args=(recording(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert encoder.calls == 1


@pytest.mark.parametrize(
    ("data", "fault"),
    [(recording(0.4), InvalidRequest), (b"no audio", UnsupportedMedia), (b"", InvalidRequest)],
)
def test_samples_that_cannot_be_followed(tmp_path, monkeypatch, data, fault):
    found, _ = make(tmp_path, monkeypatch)
    with pytest.raises(fault):
        found.match(data)


def test_silence_has_no_voice(tmp_path, monkeypatch):
    found, _ = make(tmp_path, monkeypatch)
    silent = recording()[:44] + bytes(96_000)
    with pytest.raises(InvalidRequest, match="speech"):
        found.match(silent)


@pytest.mark.parametrize("seed", range(5))
def test_least_squares_satisfies_the_optimality_conditions(seed):
    random = np.random.default_rng(seed)
    matrix, target = random.normal(size=(20, 8)), random.normal(size=20)
    x = non_negative_least_squares(matrix, target)
    gradient = matrix.T @ (target - matrix @ x)
    assert (x >= 0).all()
    assert (gradient[x == 0] <= 1e-6).all()
    assert np.abs(gradient[x > 0]).max(initial=0) < 1e-6


def test_mel_scale_and_filters():
    hertz = np.array([0.0, 500.0, 1000.0, 4000.0])
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hertz)), hertz, atol=1e-6)
    filters = mel_filters()
    assert filters.shape == (40, 201)
    assert (filters >= 0).all()
    assert (filters.sum(axis=1) > 0).all()


def test_a_tone_is_in_its_mel_band():
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    mel = spectrogram(np.sin(2 * np.pi * 1000 * t).astype(np.float32), mel_filters())
    assert mel.shape == (101, 40)
    assert 13 <= int(mel.mean(axis=0).argmax()) <= 15


def test_pauses_are_cut_and_quiet_speech_is_raised():
    speech = np.sin(np.arange(SAMPLE_RATE) / 5).astype(np.float32) * 0.001
    cut = speech_only(np.concatenate([speech, np.zeros(3 * SAMPLE_RATE, np.float32), speech]))
    assert 2 * SAMPLE_RATE <= len(cut) < 2.6 * SAMPLE_RATE
    assert float(np.abs(cut).max()) > 0.01
    assert len(speech_only(np.zeros(SAMPLE_RATE, np.float32))) == 0
    assert len(speech_only(np.zeros(0, np.float32))) == 0


def test_every_voice_has_a_shipped_embedding_of_length_one():
    shipped = load_known_voices()
    assert EMBEDDINGS.stat().st_size < 100_000
    assert len(shipped) == 54
    for voice in shipped.values():
        assert voice.embedding.shape == (256,)
        assert float(np.linalg.norm(voice.embedding)) == pytest.approx(1.0, abs=0.01)
        # 60 to 400 Hz.
        assert 35 < voice.pitch < 68


@pytest.mark.models
def test_a_shipped_voice_sounds_as_the_script_measures_it(models_dir):
    from tts_service.engines.kokoro import KokoroEngine

    engine = KokoroEngine(models_dir.parent, threads=2)
    engine.load()
    encoder = SpeakerEncoder.load(models_dir / "resemblyzer")
    made = sound_of(encoder, *engine.calibration_speech(engine.style("am_adam")))
    shipped = load_known_voices()["am_adam"]
    assert float(made.embedding @ shipped.embedding) > 0.98
    assert made.pitch == pytest.approx(shipped.pitch, abs=0.5)
    engine.close()


@pytest.mark.models
class TestRealEncoder:
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, models_dir):
        return SpeakerEncoder.load(models_dir / "resemblyzer")

    def embed(self, encoder, speech_dir, file):
        from shared.audio.decode import decode

        samples = decode((speech_dir / file).read_bytes(), sample_rate=SAMPLE_RATE, max_seconds=60)
        return encoder.embed(speech_only(samples))

    def test_the_same_speaker_is_nearer_than_others(self, encoder, speech_dir):
        # LJ twice, then another woman and a man.
        one, two = (self.embed(encoder, speech_dir, f"speech/en_0{n}.flac") for n in (1, 3))
        others = [
            self.embed(encoder, speech_dir, f"speech/{name}.flac") for name in ("en_04", "pt_02")
        ]
        same = float(one @ two)
        assert same > 0.75
        for other in others:
            assert float(one @ other) < same - 0.1
