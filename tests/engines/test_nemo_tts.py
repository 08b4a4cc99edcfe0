"""FastPitch and HiFiGAN on tiny real models: batches, lengths, refusals, a full device."""

from __future__ import annotations

import numpy as np
import pytest

from shared.core.errors import InvalidRequest, ModelDamaged, NotReady, Overloaded
from shared.core.metrics import BATCH_SIZE
from tests.engines.speaking import request, say, say_at_once

torch = pytest.importorskip("torch")
pytest.importorskip("nemo")

from tts_service.engines.nemo import NemoEngine  # noqa: E402
from tts_service.settings import TtsSettings  # noqa: E402

FRAME = 256


def batches():
    """Batches run so far, and the items in them."""
    samples = {s.name: s.value for s in BATCH_SIZE.labels(engine="nemo").collect()[0].samples}
    return samples["voice_batch_size_count"], samples["voice_batch_size_sum"]


def test_concurrent_sentences_share_batches_and_are_what_they_are_alone(nemo):
    texts = [f"sentence {'o' * number} with a few more words" for number in range(8)]
    alone = {text: say(nemo, text) for text in texts}
    count, items = batches()
    together = say_at_once(nemo, texts)
    runs, served = (after - before for after, before in zip(batches(), (count, items), strict=True))
    assert served == len(texts)
    assert runs < len(texts)
    for text in texts:
        one, two = alone[text], together[text]
        assert abs(one.size - two.size) <= 3 * FRAME
        shared = min(one.size, two.size)
        assert np.corrcoef(one[:shared], two[:shared])[0, 1] > 0.9


def test_a_short_item_of_a_batch_is_cut_to_its_own_length(nemo):
    sentences = [
        nemo_sentence(nemo, text) for text in ("short one", "and a very much longer one " * 3)
    ]
    alone = [nemo._run([sentence])[0] for sentence in sentences]
    together = nemo._run(sentences)
    for one, two in zip(alone, together, strict=True):
        assert abs(one.size - two.size) <= 3 * FRAME
    assert together[0].size < together[1].size / 3


def nemo_sentence(nemo, text, pace=1.0, pitch=0.0):
    from tts_service.engines.nemo import _Sentence

    tokens = nemo._spectrogram.parse(text, normalize=False)[0].tolist()
    return _Sentence(tuple(tokens), pace, pitch, 0)


def test_words_of_the_dictionary_are_read_from_it_whoever_else_parses():
    """The recipe of the published FastPitch reads half of them as letters, in training."""
    from nemo.collections.common.tokenizers.text_to_speech.tts_tokenizers import (
        EnglishPhonemesTokenizer,
    )
    from nemo.collections.tts.g2p.models.en_us_arpabet import EnglishG2p

    from tts_service.engines.nemo import _say_all_known_words

    g2p = EnglishG2p(
        phoneme_dict={"hello": [["HH", "AH0", "L", "OW1"]]},
        heteronyms=[],
        ignore_ambiguous_words=False,
        phoneme_probability=0.5,
    )
    vocabulary = EnglishPhonemesTokenizer(g2p=g2p, stresses=True, chars=True)
    _say_all_known_words(vocabulary)
    readings = set()
    with vocabulary.set_phone_prob(1.0):
        for _ in range(20):
            with vocabulary.set_phone_prob(1.0):
                pass  # another caller comes and goes
            readings.add(tuple(vocabulary.encode("hello")))
    assert len(readings) == 1
    assert [vocabulary.tokens[n] for n in readings.pop()] == ["HH", "AH0", "L", "OW1"]


def test_pace_and_pitch_are_each_item_s_own(nemo):
    plain = nemo_sentence(nemo, "some words to say")
    fast = nemo_sentence(nemo, "some words to say", pace=2.0)
    high = nemo_sentence(nemo, "some words to say", pitch=1.0)
    one, two, three = nemo._run([plain, fast, high])
    assert two.size == pytest.approx(one.size / 2, rel=0.1)
    assert three.size == one.size
    assert not np.allclose(one, three, atol=1e-3)


def test_pitch_in_semitones_is_a_parameter(nemo):
    plain = say(nemo, "some words to say")
    high = say(nemo, "some words to say", parameters={"pitch": 6.0})
    assert not np.array_equal(plain, high)


@pytest.mark.parametrize("text", ["привет как дела", "你好", "...", "1 2 3"])
def test_what_the_model_has_no_sound_for_is_refused(nemo, text):
    with pytest.raises(InvalidRequest):
        next(iter(nemo.synthesize(request(nemo, text))))


def test_texts_do_not_reach_the_log(nemo, caplog, capfd):
    say(nemo, "secret 42 § words")
    written = caplog.text + "".join(capfd.readouterr())
    assert "secret" not in written


def test_a_batch_that_does_not_fit_is_run_in_halves(nemo, monkeypatch):
    infer = nemo._spectrogram.fastpitch.infer

    def narrow(**arguments):
        if len(arguments["text"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return infer(**arguments)

    monkeypatch.setattr(nemo._spectrogram.fastpitch, "infer", narrow)
    texts = [f"number {'e' * n} of a batch" for n in range(6)]
    assert all(audio.size for audio in say_at_once(nemo, texts).values())


def test_what_does_not_fit_alone_is_refused_and_the_service_lives(nemo, monkeypatch):
    def full(**arguments):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(nemo._spectrogram.fastpitch, "infer", full)
        with pytest.raises(Overloaded):
            say(nemo, "anything")
    assert say(nemo, "anything").size


def test_training_parts_are_freed(nemo):
    assert nemo._vocoder.mpd is None
    assert nemo._vocoder.msd is None


class TestLoading:
    def engine(self, **values):
        return NemoEngine(TtsSettings(_env_file=None, **values))

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    @pytest.mark.parametrize("device", ["cuda", "cuda:1"])
    def test_a_gpu_that_is_not_there_is_never_replaced_by_the_processor(
        self, tiny_nemo_tts, device
    ):
        with pytest.raises(NotReady, match="configured for cuda"):
            self.engine(**tiny_nemo_tts | {"tts_device": device}).load()

    def test_a_missing_archive_is_named(self, tiny_nemo_tts, tmp_path):
        missing = {"nemo_tts_vocoder": str(tmp_path / "none.nemo")}
        with pytest.raises(NotReady, match="does not exist"):
            self.engine(**tiny_nemo_tts | missing).load()

    def test_a_damaged_archive_is_reported(self, tiny_nemo_tts, tmp_path):
        damaged = tmp_path / "damaged.nemo"
        damaged.write_bytes(b"no archive")
        with pytest.raises(ModelDamaged):
            self.engine(**tiny_nemo_tts | {"nemo_tts_spectrogram": str(damaged)}).load()

    def test_models_of_the_hub_are_found_in_its_cache_without_a_network(
        self, tiny_nemo_tts, tmp_path, monkeypatch
    ):
        from tests.engines.hub_layout import place

        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        place(tmp_path / "hf", "nvidia/tts_en_fastpitch", tiny_nemo_tts["nemo_tts_spectrogram"])
        place(tmp_path / "hf", "nvidia/tts_hifigan", tiny_nemo_tts["nemo_tts_vocoder"])
        engine = self.engine(tts_device="cpu", voicemesh_home=tmp_path)
        engine.load()
        assert engine.spec.commercial_use
        engine.close()

    def test_what_was_not_downloaded_names_the_command(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        with pytest.raises(NotReady, match="mesh download nvidia/tts_en_fastpitch"):
            self.engine(tts_device="cpu", voicemesh_home=tmp_path).load()
