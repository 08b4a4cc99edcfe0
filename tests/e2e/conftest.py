"""The whole mesh, started once for all tests here as a user starts it: ``mesh up``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from openai import OpenAI

from tests.local_mesh import LocalMesh
from tests.ports import free_ports

TOKEN = os.environ.get("MESH_TOKEN", "e2e-token")


@pytest.fixture(scope="session")
def mesh_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Base URL of a running gateway.

    ``MESH_URL`` (with ``MESH_TOKEN`` where it wants one) names a mesh that runs already; otherwise
    one is started on free ports and stopped at the end of the session.
    """
    if running := os.environ.get("MESH_URL"):
        yield running.rstrip("/")
        return
    if find_spec("mesh.cli") is None:
        pytest.skip("the mesh command is not there")
    request.getfixturevalue("models_dir")
    ports = free_ports(4)
    names = ("PORT", "TTS_PORT", "STT_PORT", "AGENT_PORT")
    environment = dict(zip(names, map(str, ports), strict=True))
    environment |= {"API_TOKENS": TOKEN}
    with LocalMesh(environment=environment) as mesh:
        mesh.wait_ready()
        yield f"http://127.0.0.1:{ports[0]}"


@pytest.fixture(scope="session")
def openai_client(mesh_url: str) -> Iterator[OpenAI]:
    """The unmodified OpenAI client, pointed at the mesh."""
    with OpenAI(base_url=f"{mesh_url}/v1", api_key=TOKEN, timeout=120, max_retries=2) as client:
        yield client
