"""A container engine, the images and a running mesh, each made once for all tests here.

Where no engine answers, ``VOICEMESH_DOCKER_ENGINE`` (or the script of that purpose beside the
repository) starts one for as long as the tests run; without either, everything skips.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.compose.stack import PREFIX, REPOSITORY, Stack, compose_commands

BASE_IMAGE = os.environ.get("BASE_IMAGE", "python:3.11-slim-bookworm")
OLLAMA = f"{PREFIX}-ollama"
MODEL = "stand-in:1b"
_BUILD_S = 1500
_ENGINE_S = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Starting an engine and building images takes minutes; it happens in the first test."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.compose)
            item.add_marker(pytest.mark.timeout(_BUILD_S + _ENGINE_S))


@pytest.fixture(scope="session")
def docker_host() -> Iterator[str]:
    """Address of an engine that answers, as ``DOCKER_HOST`` has it; empty: the default one."""
    given = os.environ.get("DOCKER_HOST", "")
    if _answers(given):
        yield given
        return
    beside = REPOSITORY.parent / "shared" / "docker" / "engine.sh"
    script = os.environ.get("VOICEMESH_DOCKER_ENGINE", str(beside))
    if not Path(script).is_file():
        pytest.skip(f"no container engine answers, and there is no {script} to start one")
    started = subprocess.run(
        [script, "up"], stdout=subprocess.PIPE, text=True, timeout=_ENGINE_S, check=True
    )
    host = started.stdout.strip().rpartition("DOCKER_HOST=")[2]
    yield host
    subprocess.run([script, "down"], timeout=120, check=False)


@pytest.fixture(scope="session")
def stack(docker_host: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The project, not started; nothing of it but its images is left at the end."""
    if not compose_commands():
        pytest.skip("neither docker compose nor docker-compose is installed")
    made = Stack(
        docker_host,
        tmp_path_factory.mktemp("compose"),
        {"BASE_IMAGE": BASE_IMAGE, "OLLAMA_IMAGE": OLLAMA, "LLAMA_MODEL": MODEL},
    )
    yield made
    made.compose("down", "--volumes", "--remove-orphans")


@pytest.fixture(scope="session")
def images(stack: Stack, request: pytest.FixtureRequest) -> None:
    """The images of docker-compose.yml, built now, and one that stands in for Ollama's."""
    try:
        stack.docker("image", "inspect", BASE_IMAGE)
    except AssertionError:
        try:
            stack.docker("pull", BASE_IMAGE)
        except AssertionError:
            pytest.skip(f"no {BASE_IMAGE} here, and none can be pulled")
    started = time.monotonic()
    stack.compose("build", timeout=_BUILD_S)
    stack.docker(
        *("build", "--build-arg", f"BASE_IMAGE={BASE_IMAGE}", "-t", OLLAMA),
        str(REPOSITORY / "tests" / "compose" / "stand_in"),
    )
    say(request, f"images built in {time.monotonic() - started:.0f} s")


@pytest.fixture
def mesh(stack: Stack, images: None) -> Stack:
    """The whole mesh, one container of each service, ready; made so again where it is not."""
    if not stack.is_whole():
        stack.up("--scale", "tts=1")
    return stack


@pytest.fixture(scope="session")
def question(stack: Stack, images: None) -> bytes:
    """A spoken question, as one WAV file."""
    if not stack.is_whole():
        stack.up("--scale", "tts=1")
    answer = requests.post(
        f"{stack.url}/api/tts/batch", json={"text": "What is the capital of France?"}, timeout=120
    )
    assert answer.status_code == 200, answer.text
    return answer.content


def say(request: pytest.FixtureRequest, text: str) -> None:
    """Print beside pytest's own progress: figures that a person wants to see."""
    plugins = request.config.pluginmanager
    reporter, capture = (plugins.get_plugin(n) for n in ("terminalreporter", "capturemanager"))
    with capture.global_and_fixture_disabled():
        reporter.ensure_newline()
        reporter.write_line(f"  {text}")


def _answers(host: str) -> bool:
    environment = {**os.environ, **({"DOCKER_HOST": host} if host else {})}
    try:
        return (
            subprocess.run(
                ["docker", "info"], env=environment, capture_output=True, timeout=60, check=False
            ).returncode
            == 0
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
