"""The small programs that run while an image is built, and in a container."""

import importlib.util
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from shared.models import CATALOGUE, records
from shared.models.packages import assemble
from tests.conftest import REPOSITORY
from tests.unit.shared.models.test_packages import FakeRegistry, spec

HEALTHCHECK = REPOSITORY / "deploy" / "healthcheck.py"


def health(port):
    return subprocess.run(
        [sys.executable, "-I", "-S", HEALTHCHECK, "SOME_PORT", "1"],
        env={"SOME_PORT": str(port)},
        timeout=30,
        check=False,
    ).returncode


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (503, 1)])
def test_health_is_readiness(status, expected):
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        assert health(server.server_port) == expected
        answering.join()
    assert asked == ["/readyz"]


def test_no_answer_is_not_healthy():
    assert health(9) == 1


def test_bundled_models_keep_times_that_an_image_keeps(monkeypatch, tmp_path):
    monkeypatch.setitem(CATALOGUE, "tiny", spec())
    folder = assemble.ensure("tiny", tmp_path, fetcher=FakeRegistry())
    os.utime(folder / "model.bin", ns=(5_123_456_789, 5_123_456_789))
    bundle().settle(["tiny"], tmp_path)
    recorded = json.loads((folder / "manifest.json").read_text())["files"]
    assert recorded["model.bin"]["mtime_ns"] == 5_000_000_000
    hashed = []
    monkeypatch.setattr(records, "sha256_of", hashed.append)
    assert assemble.locate("tiny", tmp_path) == folder
    assert hashed == []


def bundle():
    """The program's module."""
    found = importlib.util.spec_from_file_location(
        "bundle_models", REPOSITORY / "deploy" / "bundle_models.py"
    )
    module = importlib.util.module_from_spec(found)
    path = list(sys.path)
    found.loader.exec_module(module)
    sys.path[:] = path
    return module
