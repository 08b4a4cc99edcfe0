"""A voice agent on fakes: recognition and synthesis without a network, a model that is told."""

import logging
import threading

import numpy as np
import pytest

from shared.audio.pcm import AudioFormat, PcmStream
from shared.core.errors import MeshError
from shared.engines.engine_host import EngineHost
from shared.wire.speech import Voice
from shared.wire.transcription import Transcript
from voice_agent.llm.base import ReplyOptions
from voice_agent.llm.fake import FakeLlm
from voice_agent.reply import Parts


class FakeSttClient:
    """Hears the bytes as text; ``b"silence"`` is nothing."""

    def __init__(self):
        self.fault = None
        self.language = "en"

    def transcribe(self, audio, *, content_type="", language=None):
        if self.fault is not None:
            raise self.fault
        text = "" if audio == b"silence" else audio.decode()
        return Transcript(
            text=text,
            language=language or self.language if text else None,
            duration=1,
            engine="ear",
        )

    def is_ready(self):
        return True


class FakeTtsClient:
    """Speaks each clause as as many samples as it has characters."""

    def __init__(self):
        self.spoken = []
        self.fault = None
        self.fault_after = 0
        self.rates = [24_000]
        self.hold = None
        self.closed = 0
        self.catalogue = [
            Voice(
                id="lady",
                name="Lady",
                language="es",
                languages=["es"],
                gender="female",
                engine="fake",
                licence="x",
            ),
            Voice(
                id="sir",
                name="Sir",
                language="en-gb",
                languages=["en"],
                gender="male",
                engine="fake",
                licence="x",
            ),
        ]

    def speak(self, text, *, language=None, voice=None, speed=1.0):
        if self.fault is not None and len(self.spoken) >= self.fault_after:
            raise self.fault
        rate = self.rates[min(len(self.spoken), len(self.rates) - 1)]
        self.spoken.append((text, language, voice))
        return PcmStream(
            AudioFormat(rate), self._chunks(text), engine="mouth", headers={"X-Voice": "v"}
        )

    def _chunks(self, text):
        try:
            if self.hold is not None:
                self.hold.wait(10)
            yield np.full(len(text), 1000, np.int16)
        finally:
            self.closed += 1

    def voices(self):
        if isinstance(self.catalogue, MeshError):
            raise self.catalogue
        return self.catalogue

    def is_ready(self):
        return True


@pytest.fixture
def make_parts():
    hosts = []

    def make(*llms, voice="", settled=True):
        engines = llms or (FakeLlm(),)
        host = EngineHost(
            [(e.spec.name, lambda e=e: e) for e in engines], queue_limit=2, queue_timeout_s=1
        )
        host.start()
        hosts.append(host)
        assert host.wait_settled(5)
        return Parts(FakeSttClient(), FakeTtsClient(), host, ReplyOptions(), voice)

    yield make
    for host in hosts:
        host.close()


@pytest.fixture(autouse=True)
def _restore_logging():
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    yield
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    left = [t.name for t in threading.enumerate() if t.name in ("_write", "_speak", "turn", "llm")]
    assert not left, f"threads of a turn outlived it: {left}"
