"""What the command line reads from the environment and ``.env`` without loading any service."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The repository: services run in it, so that its ``.env`` and ``voices/`` are found."""

DEFAULT_PORT = "8000"


def variables(folder: Path | None = None) -> Mapping[str, str]:
    """The environment, over the ``.env`` file of ``folder`` (the repository's where not given)."""
    from dotenv import dotenv_values

    written = dotenv_values((folder or ROOT) / ".env")
    return {name: value for name, value in written.items() if value} | dict(os.environ)


def first_of(known: Mapping[str, str], *names: str) -> str | None:
    """The first of the variables that is set to something."""
    return next((known[name] for name in names if known.get(name)), None)


def gateway_url(known: Mapping[str, str]) -> str:
    """Base URL of the gateway: ``MESH_URL``, else this machine at ``PORT``."""
    port = first_of(known, "PORT", "API_PORT") or DEFAULT_PORT
    return (first_of(known, "MESH_URL") or f"http://127.0.0.1:{port}").rstrip("/")


def token_of(known: Mapping[str, str]) -> str | None:
    """The bearer token to send: ``MESH_TOKEN``, else the first of ``API_TOKENS``."""
    token = first_of(known, "MESH_TOKEN", "API_TOKENS", "API_TOKEN")
    return token.split(",")[0].strip() if token else None


def is_set(known: Mapping[str, str], name: str) -> bool:
    """Whether the variable says yes."""
    return (known.get(name) or "").lower() in ("1", "true", "yes", "on")


def is_offline(known: Mapping[str, str]) -> bool:
    """Whether ``MESH_OFFLINE`` forbids downloads."""
    return is_set(known, "MESH_OFFLINE")
