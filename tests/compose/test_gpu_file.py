"""docker-compose.gpu.yml as every Compose of this machine reads it: no GPU is needed to look."""

from __future__ import annotations

import pytest
import yaml

from tests.compose.stack import REPOSITORY, compose_commands

FILES = ("docker-compose.yml", "docker-compose.gpu.yml")
RESERVED = [{"driver": "nvidia", "device_ids": ["0"], "capabilities": ["gpu"]}]


@pytest.fixture(params=["2", "1"])
def config(request, stack):
    """The merged configuration with some variables set, by the Compose of that version."""
    by_version = compose_commands()
    if request.param not in by_version:
        pytest.skip(f"no Compose {request.param}.x on this machine (COMPOSE names one)")

    def read(**variables):
        stack.command, before = by_version[request.param], stack.command
        try:
            words = ("--profile", "models", "config")
            return yaml.safe_load(stack.compose(*words, files=FILES, variables=variables))
        finally:
            stack.command = before

    return read


def devices(service):
    return service["deploy"]["resources"]["reservations"]["devices"]


def test_each_service_with_a_model_reserves_a_gpu(config):
    services = config()["services"]
    for name in ("tts", "stt", "ollama"):
        assert devices(services[name]) == RESERVED
    for name in ("gateway", "voice-agent"):
        assert "deploy" not in services[name] or not services[name]["deploy"].get("resources")


@pytest.mark.parametrize("engine", ["nemo", "xtts"])
def test_one_speech_engine_of_ones_choice(config, engine):
    tts = config(TTS_GPU_ENGINE=engine, TTS_GPU="1")["services"]["tts"]
    assert tts["environment"]["TTS_ENGINES"] == engine
    assert tts["environment"]["TTS_DEVICE"] == "cuda"
    assert tts["build"]["args"]["EXTRA"] == f"tts-{engine}"
    assert (REPOSITORY / "requirements" / f"tts-{engine}.lock").is_file()
    assert tts["image"].endswith(f":{engine}")
    assert devices(tts)[0]["device_ids"] == ["1"]


@pytest.mark.parametrize("engine", ["parakeet", "whisper"])
def test_one_recogniser_of_ones_choice(config, engine):
    stt = config(STT_GPU_ENGINE=engine)["services"]["stt"]
    assert stt["environment"]["STT_ENGINES"] == engine
    assert stt["environment"]["STT_DEVICE"] == "cuda"
    assert stt["build"]["args"]["EXTRA"] == f"stt-{engine}"
    assert (REPOSITORY / "requirements" / f"stt-{engine}.lock").is_file()


def test_the_cpu_file_reserves_nothing_and_bundles_models(config, stack):
    tts = config()["services"]["tts"]
    assert tts["build"]["args"]["MODELS"] == ""
    plain = yaml.safe_load(stack.compose("config"))["services"]
    assert not [name for name, service in plain.items() if "deploy" in service]
    assert "MODELS" not in plain["tts"]["build"]["args"]


def test_models_are_fetched_for_the_engines_of_ones_choice(config):
    chosen = {"TTS_GPU_ENGINE": "xtts", "STT_GPU_ENGINE": "whisper", "WHISPER_MODEL": "small"}
    environment = config(**chosen)["services"]["models"]["environment"]
    assert environment["TTS_ENGINES"] == "xtts"
    assert environment["STT_ENGINES"] == "whisper"
    assert environment["WHISPER_MODEL"] == "small"
