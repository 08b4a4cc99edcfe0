"""Which language models are asked without a proxy."""

import pytest

from voice_agent.llm.address import is_near


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("http://localhost:11434", True),
        ("localhost:11434", True),
        ("http://127.0.0.1:1", True),
        ("http://[::1]:1", True),
        ("http://ollama:11434", True),
        ("http://192.168.1.20:11434", True),
        ("http://box.local:11434", True),
        ("https://api.example.com/v1", False),
        ("http://8.8.8.8:11434", False),
    ],
)
def test_near(url, near):
    assert is_near(url) is near
