from __future__ import annotations

import pytest

from shared.core.errors import InvalidRequest
from tts_service.text.language_tags import base, canonical, resolve

SPOKEN = ["en-us", "en-gb", "es", "pt-br", "zh"]


@pytest.mark.parametrize(
    ("written", "tag"),
    [("PT", "pt-br"), ("pt_BR", "pt-br"), (" zh-CN ", "zh"), ("en", "en"), ("es-MX", "es-mx")],
)
def test_canonical(written: str, tag: str) -> None:
    assert canonical(written) == tag


def test_base_drops_the_region() -> None:
    assert base("en_GB") == "en"
    assert base("pt") == "pt"


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        ("en", ["en-us", "en-gb"]),
        ("en-GB", ["en-gb"]),
        ("en-au", ["en-us", "en-gb"]),
        ("pt", ["pt-br"]),
        ("pt-pt", ["pt-br"]),
        ("zh-cn", ["zh"]),
        ("es-mx", ["es"]),
    ],
)
def test_resolve(asked: str, answers: list[str]) -> None:
    assert resolve(asked, SPOKEN) == answers


def test_resolve_refuses_what_nobody_speaks() -> None:
    with pytest.raises(InvalidRequest) as caught:
        resolve("tlh", SPOKEN)
    assert caught.value.param == "language"
    assert caught.value.details["available"] == sorted(SPOKEN)
