"""A recognition service on fakes."""

import io
import logging
import wave

import numpy as np
import pytest

from stt_service.app import create_app
from stt_service.engines.fake import FakeStt
from stt_service.settings import SttSettings


def wav(*seconds_and_levels, rate=16_000, channels=1):
    """A WAV of stretches: (seconds, amplitude 0-1), the same in every channel."""
    samples = np.concatenate(
        [
            np.sin(np.arange(int(s * rate)) * 2 * np.pi * 220 / rate) * level * 32767
            for s, level in seconds_and_levels
        ]
    ).astype("<i2")
    samples = np.repeat(samples, channels)
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.tobytes())
    return out.getvalue()


@pytest.fixture
def make_client(tmp_path):
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level

    def make(*engines, **settings):
        app = create_app(
            SttSettings(_env_file=None, voicemesh_home=tmp_path, **settings),
            [(engine.spec.name, lambda e=engine: e) for engine in engines or (FakeStt(),)],
            # Engines that are made to fail would never get ready.
            proof=lambda _: None,
        )
        client = app.test_client()
        while client.get("/readyz").status_code != 200:
            pass
        return client

    yield make
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
