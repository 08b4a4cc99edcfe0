"""Settings of the voice agent."""

from __future__ import annotations

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, model_validator

from shared.core.settings import Names, Port, ServiceSettings, is_loopback


class AgentSettings(ServiceSettings):
    """Settings of the voice agent from the environment."""

    agent_port: Port = Field(default=5002, description="Port of the voice agent.")
    tts_url: Names = Field(
        default=("http://127.0.0.1:5000",), description="Base URLs of speech synthesis."
    )
    stt_url: Names = Field(
        default=("http://127.0.0.1:5001",), description="Base URLs of speech recognition."
    )
    llm_engines: Names = Field(
        default=("ollama", "embedded"),
        min_length=1,
        description="Language models in order of preference: ollama, openai, embedded. The first "
        "that is available is used.",
    )
    llama_model: str = Field(
        default="llama3.2:3b",
        validation_alias=AliasChoices("LLAMA_MODEL", "OLLAMA_MODEL"),
        description="Model on the Ollama server; pulled when it is missing.",
    )
    llama_endpoint: str = Field(
        default="http://localhost:11434",
        validation_alias=AliasChoices("LLAMA_ENDPOINT", "OLLAMA_HOST"),
        description="URL of the Ollama server. In containers localhost is the container itself: do "
        "not set it, or set http://host.docker.internal:11434.",
    )
    llm_gguf_path: Path | None = Field(
        default=None, description="GGUF file of the embedded engine instead of SmolLM2-135M."
    )
    llm_threads: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Decoding threads of the embedded engine; one is best while speech services "
        "run on the same machine.",
    )
    llm_context: int = Field(
        default=2048,
        ge=512,
        description="Context size of one conversation, of the embedded engine and of Ollama, "
        "tokens.",
    )
    openai_base_url: str = Field(
        default="", description="Base URL of an OpenAI-compatible server for LLM_ENGINES=openai."
    )
    openai_api_key: SecretStr = Field(
        default=SecretStr(""), description="API key of that server, if it needs one."
    )
    openai_model: str = Field(default="", description="Model on that server.")
    voice_name: str = Field(
        default="",
        description="Voice of replies: man, woman, a voice id or a recording in the voices folder; "
        "the language's default voice where not given.",
    )
    reply_max_tokens: int = Field(
        default=160, ge=8, le=4096, description="Longest reply, tokens; spoken replies are short."
    )
    llm_timeout_s: float = Field(
        default=60.0, gt=0, description="Read timeout of a language model, seconds."
    )
    pull_timeout_s: float = Field(
        default=3600.0, gt=0, description="Timeout for pulling an Ollama model, seconds."
    )
    idle_timeout_s: float = Field(
        default=600.0, gt=0, description="Idle timeout of a conversation, seconds."
    )
    memory_turns: int = Field(
        default=12, ge=1, le=200, description="Past turns of a conversation that are remembered."
    )

    @model_validator(mode="after")
    def _ollama_is_not_this_container(self) -> Self:
        # PUBLISHED_HOST is set where the agent runs in a container of docker-compose.yml.
        if not self.published_host or "ollama" not in self.llm_engines:
            return self
        if not _is_here(self.llama_endpoint):
            return self
        raise ValueError(
            f"LLAMA_ENDPOINT (or OLLAMA_HOST) {self.llama_endpoint} is the container itself: "
            "http://ollama:11434 is the Ollama of docker-compose.yml, "
            "http://host.docker.internal:11434 one on this machine"
        )


def _is_here(endpoint: str) -> bool:
    host = urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}").hostname or ""
    return host in ("", "0.0.0.0", "::") or is_loopback(host)  # noqa: S104 - compared, not bound
