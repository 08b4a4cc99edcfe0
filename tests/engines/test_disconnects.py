"""Listeners who leave in mid-stream: the model stops, the next one is served, memory stays."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
import requests

from tests.engines.served import REPOSITORY, Served

pytest.importorskip("TTS")

WARM_UP = 20
COUNT = 200
LONG = "One more sentence of a very long answer that nobody will hear to its end. " * 200
"""Some 16 MB of audio: more than all socket buffers take."""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    home = tmp_path_factory.mktemp("served")
    command = (sys.executable, "-m", "tests.engines.narrow_xtts", str(home / "model"))
    subprocess.run(command, cwd=REPOSITORY, check=True, timeout=120)
    settings = {"tts_engines": "xtts", "xtts_model": home / "model", "tts_device": "cpu"}
    service = Served("tts_service", "TTS_PORT", home, settings, "tests.engines.narrow_xtts")
    try:
        service.wait_ready()
        yield service
    finally:
        service.close()


def leave_early(served):
    with requests.post(f"{served.url}/synthesize", json={"text": LONG}, stream=True) as answer:
        answer.raise_for_status()
        assert next(answer.iter_content(1024))


def settle(served):
    """Wait until nothing is made any more for listeners of earlier tests."""

    def made():
        return served.metric("voice_audio_chunks_total", engine="xtts")

    def still():
        before = made()
        time.sleep(0.5)
        return made() == before

    wait_for(still)


def wait_for(condition):
    until = time.monotonic() + 20
    while not condition() and time.monotonic() < until:
        time.sleep(0.1)
    assert condition()


@pytest.mark.timeout(900)
def test_the_model_stops_for_listeners_who_leave_and_memory_stays_flat(served):
    def gone():
        return served.metric("voice_streams_aborted_total", kind="http")

    settle(served)
    earlier = gone()
    for _ in range(WARM_UP):
        leave_early(served)
    wait_for(lambda: gone() == earlier + WARM_UP)
    before = served.memory_mib()
    chunks = served.metric("voice_audio_chunks_total", engine="xtts")
    for _ in range(COUNT):
        leave_early(served)
    wait_for(lambda: gone() == earlier + WARM_UP + COUNT)
    made = served.metric("voice_audio_chunks_total", engine="xtts") - chunks
    time.sleep(1)
    assert served.metric("voice_audio_chunks_total", engine="xtts") - chunks == made
    # A whole answer has more than 600 chunks. Made for a listener who left is what he took, what
    # lay in the sockets before he was seen to be gone, and the one chunk under way.
    assert made / COUNT < 5
    assert served.memory_mib() == pytest.approx(before, rel=0.05)


def test_the_next_listener_is_served_whole(served):
    leave_early(served)
    answer = requests.post(f"{served.url}/synthesize", json={"text": "Hello."}, timeout=60)
    assert answer.status_code == 200
    assert answer.headers["X-Engine"] == "xtts"
    assert len(answer.content) > 20_000


def test_a_waiting_request_whose_client_leaves_is_not_worked_on(served):
    before = served.metric("voice_queue_left_total", reason="client_gone")
    with requests.post(f"{served.url}/synthesize", json={"text": LONG}, stream=True) as first:
        # Kept: an iterator that is thrown away closes its connection.
        listening = first.iter_content(1024)
        assert next(listening)
        with pytest.raises(requests.Timeout):
            requests.post(f"{served.url}/synthesize", json={"text": "Hi."}, timeout=0.5)
        wait_for(
            lambda: served.metric("voice_queue_left_total", reason="client_gone") == before + 1
        )


def test_readiness_names_model_and_device(served):
    state = requests.get(f"{served.url}/readyz", timeout=10).json()
    engine = state["engines"]["xtts"]
    assert (engine["state"], engine["device"]) == ("ready", "cpu")
    assert served.metric("voice_engine_info", engine="xtts", device="cpu") == 1


def test_a_gpu_that_is_not_there_keeps_the_service_from_getting_ready(tmp_path, tiny_xtts):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    settings = {"tts_engines": "xtts", **tiny_xtts, "tts_device": "cuda"}
    service = Served("tts_service", "TTS_PORT", tmp_path, settings)
    try:

        def state():
            try:
                return requests.get(f"{service.url}/readyz", timeout=5)
            except requests.ConnectionError:
                return None

        wait_for(lambda: (s := state()) is not None and "configured for cuda" in s.text)
        assert state().status_code == 503
        refused = requests.post(f"{service.url}/synthesize", json={"text": "Hi."}, timeout=10)
        assert refused.status_code == 503
        assert "configured for cuda" in refused.json()["error"]["message"]
    finally:
        service.close()
