"""The sample rate in the headers is that of the audio in the body."""

import pytest

from tests.unit.tts_service.conftest import AppFactory, engine_of_rate, samples_of


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("rate", [22_050, 24_000, 44_100])
def test_raw_samples_last_as_long_as_the_same_text_in_a_file(
    make_app: AppFactory, rate: int, whole: bool
) -> None:
    client = make_app(engine_of_rate(rate)).test_client()
    body = {"text": "Hello there, how are you?", "stream": not whole}
    pcm = client.post("/synthesize", json={**body, "format": "pcm"})
    wav = client.post("/synthesize", json={**body, "format": "wav"})
    assert wav.headers["X-Sample-Rate"] == str(rate)
    seconds = len(pcm.data) / 2 / int(pcm.headers["X-Sample-Rate"])
    assert seconds == pytest.approx(samples_of(wav.data).size / rate, abs=0.002)
