"""What the images weigh, hold and say of themselves."""

from __future__ import annotations

import json

import pytest

from tests.compose.conftest import BASE_IMAGE, say
from tests.compose.stack import PREFIX, TAG

MB = 1_000_000
LIMITS_MB = {"gateway": 120, "tts": 1200, "stt": 1200, "agent": 1200}
"""Most that an image may add to its base, weights included."""
MODELS = {
    "gateway": (),
    "tts": ("kokoro", "kokoro-voices", "resemblyzer"),
    "stt": ("whisper-base",),
    "agent": ("smollm2",),
}
_SOUND = """
import json
from pathlib import Path
from shared.models.packages.assemble import BUNDLED
found = {}
for folder in sorted(BUNDLED.glob("*")):
    recorded = json.loads((folder / "manifest.json").read_text())["files"]
    found[folder.name] = all(
        (stat.st_size, stat.st_mtime_ns) == (known["size"], known["mtime_ns"])
        for name, known in recorded.items() for stat in [(folder / name).stat()]
    )
print(json.dumps(found))
"""


def name_of(image):
    return f"{PREFIX}-{image}:{TAG}"


@pytest.mark.parametrize("image", LIMITS_MB)
def test_size_on_top_of_the_base(stack, images, image, request):
    added = stack.inspect(name_of(image))["Size"] - stack.inspect(BASE_IMAGE)["Size"]
    say(request, f"{image}: {added / MB:.0f} MB over its base (limit {LIMITS_MB[image]} MB)")
    assert added <= LIMITS_MB[image] * MB


@pytest.mark.parametrize("image", LIMITS_MB)
def test_what_an_image_says_of_itself(stack, images, image):
    config = stack.inspect(name_of(image))["Config"]
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    labels = config["Labels"]
    assert labels["org.opencontainers.image.base.name"] == BASE_IMAGE
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.voicemesh.lock"] == f"requirements/{image}.lock"


@pytest.mark.parametrize("image", LIMITS_MB)
def test_nothing_is_in_it_that_installs_or_downloads(stack, images, image):
    program = (
        "import importlib.util as u, json;"
        "print(json.dumps([m for m in ('pip', 'pytest', 'mesh', 'tests') if u.find_spec(m)]))"
    )
    found = stack.docker("run", "--rm", name_of(image), "python", "-c", program)
    assert json.loads(found) == []


@pytest.mark.parametrize("image", LIMITS_MB)
def test_models_come_with_the_image_and_need_no_second_look(stack, images, image):
    if not MODELS[image]:
        pytest.skip("this service has no model")
    found = json.loads(stack.docker("run", "--rm", name_of(image), "python", "-c", _SOUND))
    assert found == dict.fromkeys(MODELS[image], True), "False: times differ from the manifest's"


@pytest.mark.parametrize("image", LIMITS_MB)
def test_an_image_run_by_itself_asks_for_a_token(stack, images, image):
    with pytest.raises(AssertionError, match="needs API_TOKENS"):
        stack.docker("run", "--rm", name_of(image), timeout=60)
