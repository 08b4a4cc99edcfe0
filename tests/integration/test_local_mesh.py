"""``mesh up`` with fake engines: several meshes on one machine, and one that cannot do its work."""

from pathlib import Path

import pytest
import requests

from tests.local_mesh import FAKE_ENGINES, LocalMesh
from tests.ports import four_in_a_row

BROKEN_DECODER = """
import av
_open = av.open
def open(*args, **options):
    if "w" not in (*args, options.get("mode")):
        raise {error}
    return _open(*args, **options)
av.open = open
"""


@pytest.fixture
def environment(tmp_path):
    """Variables of a mesh with fake engines and a home of its own."""
    return {"VOICEMESH_HOME": str(tmp_path / "home"), **FAKE_ENGINES}


def test_another_port_is_another_mesh(environment):
    port = four_in_a_row()
    with LocalMesh("--port", str(port), environment=environment) as first:
        first.wait_ready()
        other = four_in_a_row()
        with LocalMesh("--port", str(other), environment=environment) as second:
            second.wait_ready()
            set_default = requests.post(
                f"http://127.0.0.1:{other}/api/config", json={"language": "es"}, timeout=10
            )
            assert set_default.status_code == 200, set_default.text
            languages = [
                requests.get(f"http://127.0.0.1:{n}/", timeout=10).json()["config"]["language"]
                for n in (port, other)
            ]
    assert languages == ["en", "es"]
    home = Path(environment["VOICEMESH_HOME"])
    for number in (port, other):
        logs = {path.name for path in (home / f"mesh-{number}" / "run" / "logs").iterdir()}
        assert logs == {
            f"tts-{number + 1}.log",
            f"stt-{number + 2}.log",
            f"agent-{number + 3}.log",
            f"gateway-{number}.log",
        }


@pytest.mark.parametrize(
    "error",
    [
        "TypeError(\"open() got an unexpected keyword argument 'metadata_errors'\")",
        "av.error.InvalidDataError(1, 'no decoder')",
    ],
)
def test_a_mesh_that_cannot_decode_is_not_ready_and_says_why(environment, tmp_path, error):
    (tmp_path / "sitecustomize.py").write_text(BROKEN_DECODER.format(error=error))
    environment["PYTHONPATH"] = str(tmp_path)
    arguments = ("--port", str(four_in_a_row()), "--timeout", "15")
    with LocalMesh(*arguments, environment=environment) as mesh:
        status, output = mesh.wait_ended(60)
    assert status == 1
    assert "ready in" not in output
    assert "not ready after 15 s" in output
    reason = "metadata_errors" if "TypeError" in error else "no audio that can be decoded"
    assert "tts (fake: failed" in output
    assert reason in output
