"""Changing the defaults over HTTP: what keeps a change from being made."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from flask.testing import FlaskClient


def test_a_full_disk_is_said_and_the_defaults_stay(
    client: FlaskClient, full_disk: Callable[[], AbstractContextManager[None]]
) -> None:
    with full_disk():
        answer = client.post("/api/config", json={"language": "es"})
    assert (answer.status_code, answer.json["error"]["code"]) == (507, "disk_full")
    assert client.get("/api/config").json["language"] == "en"
    assert client.post("/api/config", json={"language": "es"}).json["language"] == "es"
