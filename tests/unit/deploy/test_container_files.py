"""Dockerfiles and Compose files, as far as they can be judged without a container engine."""

import json
import re

import pytest
import yaml

from mesh.processes.services import MEMBERS, configured_models, local_services
from shared.core.settings import CommonSettings
from tests.conftest import REPOSITORY

SERVICE_OF = {"gateway": "gateway", "tts": "tts", "stt": "stt", "agent": "voice-agent"}
OWN = set(SERVICE_OF.values())


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]


@pytest.fixture(scope="module")
def gpu():
    return yaml.safe_load((REPOSITORY / "docker-compose.gpu.yml").read_text())["services"]


def dockerfile(member):
    return (REPOSITORY / member.package / "Dockerfile").read_text()


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
def test_a_container_runs_the_command_that_mesh_up_runs(member):
    command = json.loads(re.search(r"^CMD (\[.*\])$", dockerfile(member), re.M)[1])
    (ours,) = [spec.command for spec in local_services() if spec.name == member.name]
    assert command[0] == "python"
    assert command[1:] == list(ours[1:])


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
def test_an_image_holds_the_code_of_its_service_only(member):
    final = dockerfile(member).rpartition("FROM ")[2]
    copied = {line.split()[1] for line in final.splitlines() if line.startswith("COPY ")}
    packages = {m.package for m in MEMBERS} | {"mesh", "tests", "scripts"}
    assert copied & packages == {member.package}
    assert "shared" in copied


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
def test_an_image_is_checked_and_stopped_at_its_own_port(member, compose):
    service = compose[SERVICE_OF[member.name]]
    port = str(service["environment"][member.port])
    assert re.search(rf'"deploy/healthcheck.py", "{member.port}", "{port}"', dockerfile(member))
    assert f"EXPOSE {port}\n" in dockerfile(member)


def test_what_a_container_may_not_do(compose):
    for name in (*OWN, "models"):
        service = compose[name]
        assert service["read_only"] is True
        assert service["init"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert not {"privileged", "network_mode", "container_name", "devices"} & set(service)


def test_a_stop_leaves_time_for_what_is_being_spoken(compose):
    grace = CommonSettings(_env_file=None).shutdown_grace_s
    for name in OWN:
        (default,) = re.findall(r":-(\d+)s}", compose[name]["stop_grace_period"])
        assert int(default) > grace


def test_only_the_gateway_is_published_and_on_loopback_unless_told_otherwise(compose):
    assert [name for name, service in compose.items() if "ports" in service] == ["gateway"]
    for port in compose["gateway"]["ports"]:
        assert port.startswith("${BIND_HOST:-127.0.0.1}:")
    told = compose["gateway"]["environment"]["PUBLISHED_HOST"]
    assert told == "${BIND_HOST:-127.0.0.1}", "so that the gateway knows when it needs a token"


def test_images_are_never_pulled_in_place_of_a_build(compose, gpu):
    for service in [*(compose[name] for name in (*OWN, "models")), gpu["tts"], gpu["stt"]]:
        assert service["image"].startswith("${IMAGE_PREFIX:-localhost/")


@pytest.mark.parametrize("name", ["tts", "stt", "ollama"])
def test_gpu_containers_reserve_a_gpu(gpu, name):
    (device,) = gpu[name]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    assert device["driver"] == "nvidia"


def test_every_gpu_image_has_its_lock(gpu):
    for service, engines in (("tts", ("nemo", "xtts")), ("stt", ("parakeet", "whisper"))):
        extra = gpu[service]["build"]["args"]["EXTRA"]
        assert extra.startswith(f"{service}-${{")
        for engine in engines:
            assert (REPOSITORY / "requirements" / f"{service}-{engine}.lock").is_file()


def test_nothing_is_downloaded_unasked(compose):
    models = compose["models"]
    assert models["profiles"] == ["models"], "neither built nor started by a plain `up`"
    assert models["restart"] == "no", "it tries again by itself, and not what is in vain"
    assert not [name for name in OWN if "models" in compose[name].get("depends_on", ())]


def test_the_cpu_file_fetches_only_what_no_image_holds(compose, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name, value in compose["models"]["environment"].items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("WHISPER_MODEL", "small")
    assert configured_models() == ["Systran/faster-whisper-small"]


def test_keys_of_buckets_reach_speech_alone(compose):
    keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "GOOGLE_APPLICATION_CREDENTIALS"}
    holders = [name for name, service in compose.items() if keys <= set(service["environment"])]
    assert holders == ["tts"]


def test_either_name_of_ollamas_address_replaces_the_default(compose):
    environment = compose["voice-agent"]["environment"]
    assert environment["LLAMA_ENDPOINT"] is None
    assert environment["OLLAMA_HOST"] == "${OLLAMA_HOST:-http://ollama:11434}"
    assert compose["voice-agent"]["extra_hosts"] == ["host.docker.internal:host-gateway"]


def test_neither_history_nor_secrets_reach_a_build():
    rules = (REPOSITORY / ".dockerignore").read_text().split("\n")
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    assert rules[1] == "*", "nothing but what is named"
    assert not {".env", ".git", "voices", "tests"} & allowed
