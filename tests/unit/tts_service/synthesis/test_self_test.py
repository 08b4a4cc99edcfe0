"""What keeps a speech engine from being called ready."""

import numpy as np
import pytest

from shared.audio.pcm import AudioFormat, PcmStream
from shared.core.errors import EngineFailure, MeshError
from tts_service.engines.fake import FakeEngine
from tts_service.synthesis import self_test as module
from tts_service.synthesis.self_test import self_test


class Soundless(FakeEngine):
    """Gives ``seconds`` of digital silence for any text."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def synthesize(self, request):
        silence = np.zeros(round(self.seconds * 24_000), dtype=np.int16)
        return PcmStream(AudioFormat(24_000), iter([silence]))


def test_speaking_encoding_and_decoding_works():
    engine = FakeEngine(languages=("es",))
    self_test(engine)
    assert engine.rendered


def test_an_engine_that_fails_is_said():
    with pytest.raises(MeshError):
        self_test(FakeEngine(fails_after=0))


@pytest.mark.parametrize(("seconds", "said"), [(1.0, "gave silence"), (0.0, "0.00 s of sound")])
def test_no_sound_is_said(seconds, said):
    with pytest.raises(EngineFailure, match=said):
        self_test(Soundless(seconds))


def test_a_decoder_that_loses_sound_is_said(monkeypatch):
    decode = module.decode
    monkeypatch.setattr(module, "decode", lambda *a, **k: decode(*a, **k)[: 24_000 // 20])
    with pytest.raises(EngineFailure, match="came back"):
        self_test(FakeEngine())


def test_what_costs_money_or_has_no_voice_is_not_asked():
    engine = FakeEngine(fails_after=0)
    engine.device = "remote"
    self_test(engine)
    self_test(FakeEngine(languages=(), fails_after=0))
