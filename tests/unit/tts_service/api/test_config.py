"""Changing the defaults over HTTP: what keeps a change from being made."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from flask.testing import FlaskClient

from tests.unit.tts_service.conftest import AppFactory


def test_a_full_disk_is_said_and_the_defaults_stay(
    client: FlaskClient, full_disk: Callable[[], AbstractContextManager[None]]
) -> None:
    with full_disk():
        answer = client.post("/api/config", json={"language": "es"})
    assert (answer.status_code, answer.json["error"]["code"]) == (507, "disk_full")
    assert client.get("/api/config").json["language"] == "en"
    assert client.post("/api/config", json={"language": "es"}).json["language"] == "es"


@pytest.mark.parametrize(
    ("token", "status"), [("mesh", 200), ("admin", 200), ("user", 403), ("stranger", 403)]
)
def test_only_some_tokens_may_change_the_defaults(
    make_app: AppFactory, token: str, status: int
) -> None:
    client = make_app(api_tokens="mesh,admin,user", config_tokens="admin").test_client()
    headers = {"Authorization": f"Bearer {token}"}
    answer = client.post("/api/config", json={"language": "es"}, headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.json["error"]["code"] == "config_forbidden"
    read = client.get("/api/config", headers=headers).json
    assert read["language"] == ("es" if status == 200 else "en")


def test_without_config_tokens_every_token_may_change_the_defaults(make_app: AppFactory) -> None:
    client = make_app(api_tokens="mesh,user").test_client()
    headers = {"Authorization": "Bearer user"}
    answer = client.post("/api/config", json={"language": "es"}, headers=headers)
    assert answer.json["language"] == "es"
