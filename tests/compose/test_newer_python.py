"""An image on a base with a newer Python than the usual one: Debian trixie has 3.13."""

import shutil
import subprocess
import time

import pytest
import requests

from tests.compose.conftest import say
from tests.compose.stack import PREFIX, REPOSITORY
from tests.ports import free_ports

BASE = "python:3.13-slim-trixie"
IMAGE = f"{PREFIX}-stt:python3.13"
CONTAINER = "voicemesh-test-newer-python"
TOKEN = "compose-token"
READY_WITHIN_S = 120


@pytest.fixture(scope="module")
def base(stack):
    """The base image: here already, pulled, or made of Debian's packages."""
    try:
        stack.docker("image", "inspect", BASE)
        return
    except AssertionError:
        pass
    try:
        stack.docker("pull", "-q", BASE, timeout=60)
        return
    except (AssertionError, subprocess.TimeoutExpired):
        pass
    if shutil.which("debootstrap") is None:
        pytest.skip(f"no {BASE} here, none can be pulled, and there is no debootstrap to make one")
    subprocess.run(
        [REPOSITORY / "tests" / "compose" / "stand_in" / "debian.sh", "trixie", BASE],
        env=stack.environment,
        check=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def service(stack, base, request):
    """Address of a running recognition service on that base."""
    started = time.monotonic()
    stack.docker(
        *("build", "-q", "--build-arg", f"BASE_IMAGE={BASE}", "-t", IMAGE),
        *("-f", "stt_service/Dockerfile", "."),
        timeout=900,
    )
    say(request, f"image on {BASE} built in {time.monotonic() - started:.0f} s")
    (port,) = free_ports(1)
    stack.docker(
        *("run", "-d", "--rm", "--name", CONTAINER, "-e", f"API_TOKENS={TOKEN}"),
        *("-p", f"127.0.0.1:{port}:5001", IMAGE),
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_ready(stack, url)
        yield url
    finally:
        stack.docker("rm", "-f", CONTAINER)


def _wait_ready(stack, url):
    deadline = time.monotonic() + READY_WITHIN_S
    seen = "no answer"
    while time.monotonic() < deadline:
        try:
            with requests.get(f"{url}/readyz", timeout=5) as answer:
                seen = answer.text
                if answer.status_code == 200:
                    return
        except requests.RequestException as error:
            seen = type(error).__name__
        time.sleep(0.5)
    raise AssertionError(f"{seen}\n{stack.docker('logs', CONTAINER, both=True)}")


def test_it_runs_on_the_newer_python(stack, service):
    version = stack.python(CONTAINER, "import sys; print('%d.%d' % sys.version_info[:2])")
    assert version.strip() == "3.13"


@pytest.mark.parametrize("file", ["fmt_s24_22k_stereo.wav", "fmt_mp3_44k_vbr.mp3", "fmt_opus.webm"])
def test_recordings_are_read(service, speech_dir, manifest, file):
    row = next(r for r in manifest if r["file"] == f"awkward/{file}")
    with (speech_dir / row["file"]).open("rb") as recording:
        answer = requests.post(
            f"{service}/transcribe",
            files={"audio_file": recording},
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=60,
        )
    assert answer.status_code == 200, answer.text
    heard, said = (
        {w.strip(".,;:").lower() for w in t.split()}
        for t in (answer.json()["text"], row["transcript"])
    )
    assert len(heard & said) > len(said) / 2
