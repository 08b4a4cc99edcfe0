"""Nothing under the mesh reports home."""

import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

PROGRAM = """
import shared
import onnxruntime
from pathlib import Path
import faster_whisper
onnxruntime.InferenceSession(
    Path(faster_whisper.__file__).with_name("assets") / "silero_vad_v6.onnx"
)
"""


def test_onnxruntime_keeps_no_device_id_and_no_events(tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("faster_whisper")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=REPOSITORY, env=environment, check=True, timeout=120
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
