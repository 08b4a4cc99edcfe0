"""Settings that would lead nowhere are refused with what to write instead."""

import pytest
from pydantic import ValidationError

from voice_agent.settings import AgentSettings

COMPOSE = {"published_host": "127.0.0.1", "_env_file": None}


@pytest.mark.parametrize(
    "endpoint",
    [
        *("http://localhost:11434", "127.0.0.1:11434", "http://[::1]:11434"),
        *("0.0.0.0", "0.0.0.0:11434", ":11434"),
    ],
)
@pytest.mark.parametrize("variable", ["LLAMA_ENDPOINT", "OLLAMA_HOST"])
def test_in_a_container_loopback_is_no_ollama(variable, endpoint, monkeypatch):
    for name in ("LLAMA_ENDPOINT", "OLLAMA_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, endpoint)
    with pytest.raises(ValidationError, match=r"host\.docker\.internal"):
        AgentSettings(**COMPOSE)
    assert AgentSettings(_env_file=None).llama_endpoint == endpoint
    assert AgentSettings(**COMPOSE, llm_engines=("embedded",))


@pytest.mark.parametrize("endpoint", ["http://ollama:11434", "host.docker.internal:11434"])
def test_another_machine_is(endpoint):
    assert AgentSettings(**COMPOSE, llama_endpoint=endpoint).llama_endpoint == endpoint
