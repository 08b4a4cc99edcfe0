"""Settings common to all services; each service's own module extends :class:`CommonSettings`.

The environment and a ``.env`` file in the working directory are read when a settings object is
created, not at import. docs/configuration.md and ``.env.example`` are generated from the fields.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    PlainValidator,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def default_threads() -> int:
    """Return the default number of threads per model: the available CPUs, at most 4.

    The embedded models are small. With more than four threads they gain little speed and take CPU
    time from each other.
    """
    return min(4, len(os.sched_getaffinity(0)))


def is_loopback(host: str) -> bool:
    """Return whether ``host`` is a loopback address or name."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def split_names(value: object) -> object:
    """Split a comma-separated string: ``"a, b"`` → ``("a", "b")``; pass on other values."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


class Tokens(frozenset[str]):
    """A set of bearer tokens that iterates in the order in which they were given.

    The first one is the mesh's own, so all processes must agree on the order, which they do not for
    a plain set of strings.
    """

    _ordered: tuple[str, ...]

    def __new__(cls, tokens: Iterable[str] = ()) -> Self:
        """Return the set of ``tokens`` without repetitions."""
        ordered = tuple(dict.fromkeys(tokens))
        made = super().__new__(cls, ordered)
        made._ordered = ordered
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._ordered)


def _tokens(value: object) -> Tokens:
    """Return the tokens of a comma-separated string or of an iterable of strings."""
    names = split_names(value)
    if not isinstance(names, Iterable):
        raise ValueError("tokens must be text, separated by commas")
    return Tokens(str(name) for name in names)


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_names)]
Port = Annotated[int, Field(ge=1, le=65535)]


class CommonSettings(BaseSettings):
    """Settings that every process of the mesh reads from its environment."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        populate_by_name=True,
        frozen=True,
        # Tokens and keys are settings too, and errors end up in logs.
        hide_input_in_errors=True,
    )

    voicemesh_home: Path = Field(
        default=Path("~/.cache/voicemesh"),
        validate_default=True,
        description="Folder of prepared models, caches, logs and saved defaults.",
    )
    voicemesh_state: Path | None = Field(
        default=None,
        description="Folder of what one mesh alone keeps: the defaults set by /api/config, logs; "
        "VOICEMESH_HOME where not given. `mesh up` on another port than 8000 uses a folder of that "
        "port's in VOICEMESH_HOME.",
    )
    bind_host: str = Field(
        default="127.0.0.1",
        validation_alias=AliasChoices("BIND_HOST", "API_HOST"),
        description="Address to listen on. Anything but loopback needs API_TOKENS.",
    )
    api_tokens: Annotated[frozenset[str], NoDecode, PlainValidator(_tokens)] = Field(
        default=Tokens(),
        validation_alias=AliasChoices("API_TOKENS", "API_TOKEN"),
        description="Bearer tokens that are accepted, separated by commas. None: loopback only. "
        "The services use the first one among themselves.",
    )
    config_tokens: Annotated[frozenset[str], NoDecode, BeforeValidator(split_names)] = Field(
        default=frozenset(),
        description="Those of API_TOKENS that may change everybody's defaults with POST "
        "/api/config, separated by commas; all of them where not given.",
    )
    allow_open_access: bool = Field(
        default=False,
        description="true: listen beyond loopback without API_TOKENS. Anybody who reaches the port "
        "can use the mesh.",
    )
    published_host: str = Field(
        default="",
        description="Where a container engine publishes the ports, which then decides instead of "
        "BIND_HOST whether API_TOKENS are needed. docker-compose.yml sets it.",
    )
    allowed_hosts: Names = Field(
        default=(),
        description="Host names, besides loopback, addresses and names without a dot, accepted "
        "while no tokens are configured.",
    )
    cors_origins: Names = Field(
        default=(),
        description="Web origins that may call from a browser, separated by commas; none: same "
        "origin only; *: every one.",
    )
    mesh_offline: bool = Field(
        default=False, description="true: never download; what is missing is an error."
    )
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")
    debug_mode: bool = Field(
        default=False, description="true: log at DEBUG. Transcripts are never logged."
    )
    threads: int = Field(
        default_factory=default_threads,
        validation_alias=AliasChoices("MODEL_THREADS"),
        ge=1,
        le=64,
        description="Processor threads that one model may use; the machine's, at most 4.",
    )
    max_body_bytes: int = Field(
        default=100 * 1024 * 1024,
        ge=1024,
        description="Largest request body taken, bytes.",
    )
    max_audio_seconds: float = Field(
        default=2 * 3600.0, gt=0, description="Longest recording taken, seconds."
    )
    max_text_chars: int = Field(
        default=20_000, ge=1, description="Longest text spoken in one request, characters."
    )
    max_sessions: int = Field(
        default=16,
        ge=1,
        le=512,
        description="WebSocket sessions that speak or are spoken to at once, per service; idle "
        "ones do not count.",
    )
    max_requests: int = Field(
        default=32,
        ge=1,
        le=512,
        description="HTTP requests that one service works on or keeps waiting at once.",
    )
    max_sockets: int = Field(
        default=256, ge=1, le=4096, description="Open WebSockets per service, idle ones included."
    )
    queue_limit: int = Field(
        default=24,
        ge=0,
        description="Requests that may wait for an engine; above it 503 with Retry-After.",
    )
    queue_timeout_s: float = Field(
        default=60.0, gt=0, description="Longest wait for an engine, seconds; then 503."
    )
    batch_items: int = Field(
        default=16,
        ge=1,
        le=256,
        description="Most items that a batching engine runs together.",
    )
    batch_patience_ms: float = Field(
        default=8.0,
        ge=0,
        le=1000,
        description="How long a batching engine waits for further items while callers come at "
        "once, milliseconds; one that is alone does not wait.",
    )
    drain_s: float = Field(
        default=0.0,
        ge=0,
        le=300,
        description="How long a service that is told to stop says that it is not ready, and still "
        "serves, before it stops listening, seconds.",
    )
    shutdown_grace_s: int = Field(
        default=20, ge=1, description="Time to finish running answers at a stop, seconds."
    )

    @field_validator("voicemesh_home", "voicemesh_state")
    @classmethod
    def _expand(cls, value: Path | None) -> Path | None:
        return value.expanduser().absolute() if value is not None else None

    @property
    def home(self) -> Path:
        """Folder shared by all meshes of this machine, absolute."""
        return self.voicemesh_home

    @property
    def state(self) -> Path:
        """Folder for the state of this mesh alone, absolute."""
        return self.voicemesh_state or self.voicemesh_home

    @property
    def own_token(self) -> str | None:
        """Token that the services send to each other: the first of ``API_TOKENS``, or None."""
        return next(iter(self.api_tokens), None)

    @property
    def effective_log_level(self) -> str:
        """``DEBUG`` if ``DEBUG_MODE`` is set, otherwise ``LOG_LEVEL``."""
        return "DEBUG" if self.debug_mode else self.log_level.upper()


class ServiceSettings(CommonSettings):
    """Settings of a listening process; listening beyond loopback requires API tokens.

    ``ALLOW_OPEN_ACCESS`` lifts the requirement.
    """

    @model_validator(mode="after")
    def _loopback_or_token(self) -> Self:
        reached_at = self.published_host or self.bind_host
        if self.api_tokens or self.allow_open_access or is_loopback(reached_at):
            return self
        raise ValueError(
            f"BIND_HOST={reached_at} needs API_TOKENS (or ALLOW_OPEN_ACCESS=true, "
            "which lets anybody who reaches the port in)"
        )

    @model_validator(mode="after")
    def _config_tokens_are_accepted(self) -> Self:
        if self.config_tokens <= self.api_tokens:
            return self
        raise ValueError("CONFIG_TOKENS holds a token that is not one of API_TOKENS")
