"""XTTS on a tiny real model: one caller at a time, cloning, its cache, limits, cancelling."""

from __future__ import annotations

import io
import json
import wave

import numpy as np
import pytest

from shared.core.errors import InvalidRequest, ModelDamaged, NotReady, Overloaded, UnsupportedMedia
from tests.engines.speaking import request, say, say_at_once
from tts_service.engines.base import Reference
from tts_service.engines.xtts.text import parts_of

torch = pytest.importorskip("torch")
pytest.importorskip("TTS")

from tts_service.engines.xtts.engine import build  # noqa: E402
from tts_service.settings import TtsSettings  # noqa: E402


def recording(seconds=2.0, pitch=150.0):
    t = np.arange(int(seconds * 22_050)) / 22_050
    samples = sum(np.sin(2 * np.pi * pitch * n * t) / n for n in range(1, 8)) * 6000
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(22_050)
        writer.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue()


def test_eight_at_once_are_what_they_are_alone(xtts):
    texts = [f"This is text {chr(97 + n)} {'lo' * n}." for n in range(8)]
    alone = {text: say(xtts, text) for text in texts}
    together = say_at_once(xtts, texts)
    assert all(np.array_equal(alone[text], together[text]) for text in texts)
    assert len({audio.tobytes() for audio in alone.values()}) == 8


def test_sound_comes_before_the_sentence_is_done(xtts):
    chunks = list(xtts.synthesize(request(xtts, "Just one sentence here.")))
    assert len(chunks) > 1


def test_closing_stops_the_model_within_one_chunk(xtts, monkeypatch):
    decoded = []
    decode = xtts._model.hifigan_decoder.forward

    def counted(*arguments, **more):
        decoded.append(1)
        return decode(*arguments, **more)

    monkeypatch.setattr(xtts._model.hifigan_decoder, "forward", counted)
    stream = xtts.synthesize(request(xtts, *["One more sentence to say."] * 50))
    next(iter(stream))
    before = len(decoded)
    stream.close()
    # The lock is free again, and nothing was decoded after the listener had gone.
    assert len(decoded) == before
    assert say(xtts, "Next please.").size


class TestCloning:
    def test_a_recording_makes_a_voice_of_its_own(self, xtts):
        low = xtts.prepare(Reference(recording(pitch=100), "low"))
        high = xtts.prepare(Reference(recording(pitch=300), "high"))
        assert low.method == "cloning"
        assert low.id != high.id
        one, two = (say(xtts, "The same words.", prepared=voice) for voice in (low, high))
        assert not np.array_equal(one, two)

    def test_the_second_use_needs_no_model_also_after_a_restart(
        self, xtts, tiny_xtts, tmp_path, monkeypatch
    ):
        def fresh():
            return build(TtsSettings(_env_file=None, voicemesh_home=tmp_path, **tiny_xtts))

        first = fresh()
        first._model = xtts._model
        first.device = "cpu"
        made = first.prepare(Reference(recording(), "x"))
        first._cache.close()
        again = fresh()
        monkeypatch.setattr(again, "_condition", lambda audio: pytest.fail("made again"))
        kept = again.prepare(Reference(recording(), "another name"))
        again._cache.close()
        assert kept.id == made.id
        np.testing.assert_array_equal(kept.data.gpt, made.data.gpt)
        assert kept.data.gain == made.data.gain

    def test_recordings_that_are_no_use(self, xtts):
        with pytest.raises(InvalidRequest, match="less than"):
            xtts.prepare(Reference(recording(0.2), "x"))
        with pytest.raises(UnsupportedMedia):
            xtts.prepare(Reference(b"no audio", "x"))

    def test_a_model_without_speakers_speaks_from_samples_only(self, tmp_path):
        from tests.engines import tiny_xtts as tiny

        folder = tiny.build(tmp_path / "model", speakers=False)
        engine = build(
            TtsSettings(
                _env_file=None, xtts_model=str(folder), tts_device="cpu", voicemesh_home=tmp_path
            )
        )
        engine.load()
        engine.warm_up()
        with pytest.raises(InvalidRequest, match="sample"):
            say(engine, "Hello.")
        assert say(engine, "Hello.", prepared=engine.prepare(Reference(recording(), "x"))).size
        engine.close()


def test_every_parameter_changes_the_sound(xtts):
    plain = say(xtts, "Some words to say.")
    for name, value in {
        "temperature": 0.2,
        "repetition_penalty": 1.0,
        "top_k": 2,
        "top_p": 0.1,
    }.items():
        changed = say(xtts, "Some words to say.", parameters={name: value})
        assert not np.array_equal(plain, changed), name
    assert say(xtts, "Some words to say.", speed=2.0).size < 0.6 * plain.size


@pytest.mark.parametrize("language", ["es", "pt-br", "ru", "zh", "ja", "ko", "ar"])
def test_languages_of_other_scripts_are_spoken(xtts, language):
    text = {
        "ru": "Привет, мир.",
        "zh": "你好世界",
        "ja": "こんにちは、世界。",
        "ko": "안녕하세요",
        "ar": "مرحبا بالعالم",
    }
    assert say(xtts, text.get(language, "Hola mundo."), language=language).size


def test_long_texts_are_cut_within_the_model_s_limits(xtts):
    text = "word and another one, " * 100
    parts = list(parts_of(text, "en", xtts._count_tokens))
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")
    assert all(len(part) <= 250 and xtts._count_tokens(part, "en") < 400 for part in parts)


def test_a_text_of_many_tokens_is_cut_further():
    parts = list(parts_of("ab " * 60, "en", lambda text, _: 10 * len(text)))
    assert all(10 * len(part) < 400 for part in parts)


def test_a_full_device_is_overload_and_the_service_lives(xtts, monkeypatch):
    def full(*arguments, **more):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(xtts._model, "inference_stream", full)
        with pytest.raises(Overloaded):
            say(xtts, "anything")
    assert say(xtts, "anything").size


def test_texts_do_not_reach_the_log(xtts, caplog, capfd):
    say(xtts, "secret word " * 40)
    assert "secret" not in caplog.text + "".join(capfd.readouterr())


class TestLoading:
    def engine(self, tmp_path, **values):
        return build(TtsSettings(_env_file=None, voicemesh_home=tmp_path, **values))

    def test_the_licence_needs_the_user_s_own_word(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        with pytest.raises(NotReady) as refused:
            self.engine(tmp_path, tts_device="cpu").load()
        assert refused.value.code == "licence_not_accepted"
        assert "COQUI_TOS_AGREED=1" in refused.value.message
        with pytest.raises(NotReady) as missing:
            self.engine(tmp_path, tts_device="cpu", coqui_tos_agreed=True).load()
        assert missing.value.code == "model_missing"

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    def test_a_gpu_that_is_not_there_is_never_replaced(self, tmp_path, tiny_xtts):
        with pytest.raises(NotReady, match="configured for cuda"):
            self.engine(tmp_path, **tiny_xtts | {"tts_device": "cuda"}).load()

    def test_missing_and_damaged_files_are_reported(self, tmp_path, tiny_xtts):
        import shutil

        folder = tmp_path / "model"
        shutil.copytree(tiny_xtts["xtts_model"], folder)
        engine = self.engine(tmp_path, xtts_model=str(folder), tts_device="cpu")
        (folder / "model.pth").write_bytes(b"damaged")
        with pytest.raises(ModelDamaged):
            engine.load()
        (folder / "model.pth").unlink()
        with pytest.raises(NotReady, match=r"model\.pth"):
            engine.load()

    def test_the_catalogue_tells_the_licence(self, tmp_path):
        spec = self.engine(tmp_path).spec
        assert (spec.licence, spec.commercial_use, spec.cloning) == ("CPML", False, "cloning")
        assert json.dumps(sorted(spec.parameters))
