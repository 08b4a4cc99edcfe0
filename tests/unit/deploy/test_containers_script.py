"""scripts/containers.sh before a Compose and an engine that only pretend."""

import os
import shutil
import subprocess

import pytest

from tests.conftest import REPOSITORY

COMPOSE = """#!/bin/bash
echo "$@" >> calls
case " $* " in
  *" up "*"--build"*) [ ! -e build-fails ] || { echo "no network" >&2; exit 1; } ;;
  *" exec "*) [ -e ready ] ;;
  *" ps "*) [ ! -e containers ] || cut -d ' ' -f 2 containers ;;
  *" logs "*--tail=1\\ models*) head -n 1 words; sed -i 1d words ;;
  *" logs "*--tail=10*) echo "last words" ;;
esac
"""
DOCKER = "#!/bin/bash\ncat containers\n"
GPU = "-f docker-compose.yml -f docker-compose.gpu.yml"


class Place:
    """A checkout with the script, and what its Compose was told."""

    def __init__(self, folder):
        self.folder = folder
        bins = folder / "bin"
        bins.mkdir()
        (folder / "scripts").mkdir()
        shutil.copy(REPOSITORY / "scripts" / "containers.sh", folder / "scripts")
        for name, program in (
            ("compose", COMPOSE),
            ("docker", DOCKER),
            ("sleep", "#!/bin/bash\n[ -s words ] || touch ready\n"),
        ):
            (bins / name).write_text(program)
            (bins / name).chmod(0o755)
        (folder / "words").touch()

    def write(self, **files):
        for name, text in files.items():
            (self.folder / name.replace("_", "-")).write_text(text)

    def run(self, *arguments, **environment):
        done = subprocess.run(
            [self.folder / "scripts" / "containers.sh", *arguments],
            env={
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "COMPOSE": "compose",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        calls = self.folder / "calls"
        self.calls = calls.read_text().splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return done


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_up_builds_starts_and_waits(place):
    done = place.run("up", "gateway")
    assert done.returncode == 0, done.stderr
    assert place.calls[0] == "up -d --build gateway"
    assert "ready: http://127.0.0.1:8000" in done.stdout


def test_where_nothing_can_be_built_what_is_there_is_started(place):
    place.write(build_fails="")
    done = place.run("up", "gateway")
    assert done.returncode == 0, done.stderr
    assert place.calls[1] == "up -d --no-build gateway"
    assert "images that were built before" in done.stderr


def test_down_and_logs_reach_what_only_the_profile_starts(place):
    place.run("down", "-v")
    assert place.calls == ["--profile models down -v"]
    place.run("logs", "tts")
    assert place.calls == ["--profile models logs -f --tail=100 tts"]


@pytest.mark.parametrize("size", ["small", "Systran/faster-whisper-small"])
def test_weights_that_no_image_holds_are_fetched(place, size):
    place.run("up", WHISPER_MODEL=size)
    assert place.calls[0] == "--profile models up -d --build"
    (place.folder / ".env").write_text(f'WHISPER_MODEL="{size}"\n')
    place.run("up", "gateway")
    assert place.calls[0] == "--profile models up -d --build gateway models"


@pytest.mark.parametrize("size", ["", "base", "/var/lib/voicemesh/models/mine"])
def test_nothing_is_fetched_where_nothing_is_missing(place, size):
    place.run("up", WHISPER_MODEL=size)
    assert place.calls[0] == "up -d --build"


def test_up_gpu_tells_how_far_the_models_are(place):
    place.write(words="fetching, 40 %\nfetching, 40 %\nfetching, 80 %\n")
    done = place.run("up-gpu")
    assert place.calls[0] == f"{GPU} --profile models up -d --build"
    assert done.stdout.splitlines()[1:3] == ["models: fetching, 40 %", "models: fetching, 80 %"]


@pytest.mark.parametrize(
    "state",
    [
        "models False exited 1 0",
        "voice-agent False restarting 3 3",
    ],
)
def test_waiting_ends_with_what_will_not_get_ready(place, state):
    place.write(containers=f"tts False running 0 0\n{state}\n")
    done = place.run("up-gpu")
    assert done.returncode == 1
    service = state.split()[0]
    assert f"{service} has failed; its last words:\nlast words" in done.stderr
    assert place.calls[-1].endswith(f"--tail=10 {service}")


@pytest.mark.parametrize(
    "state",
    [
        "models False exited 0 0",
        "models True exited 1 0",
        "ollama-pull False exited 1 0",
        "tts False running 0 9",
        "tts False restarting 1 1",
    ],
)
def test_waiting_goes_on_while_there_is_hope(place, state):
    place.write(containers=f"{state}\n")
    done = place.run("up-gpu")
    assert done.returncode == 0, done.stderr


def test_other_names_of_the_published_address(place):
    (place.folder / ".env").write_text("API_PORT=9000\n")
    done = place.run("up", API_HOST="192.0.2.1")
    assert "ready: http://192.0.2.1:9000" in done.stdout
    done = place.run("up", API_HOST="192.0.2.1", BIND_HOST="127.0.0.1")
    assert "ready: http://127.0.0.1:9000" in done.stdout


def test_a_mesh_that_does_not_get_ready_is_said(place):
    (place.folder / "bin" / "sleep").write_text("#!/bin/bash\n/bin/sleep 1\n")
    done = place.run("up", READY_WITHIN_S="1")
    assert done.returncode == 1
    assert "not ready after 1 s" in done.stderr
