"""Read the command line's settings from the environment and ``.env``, without loading services."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The repository, in which the services run, so that they find its ``.env`` and ``voices/``."""

DEFAULT_PORT = "8000"


def variables(folder: Path | None = None) -> Mapping[str, str]:
    """Return the environment merged over ``folder``'s ``.env`` file (default: the repository's)."""
    from dotenv import dotenv_values

    written = dotenv_values((folder or ROOT) / ".env")
    return {name: value for name, value in written.items() if value} | dict(os.environ)


def first_of(known: Mapping[str, str], *names: str) -> str | None:
    """Return the value of the first variable that is not empty, or None."""
    return next((known[name] for name in names if known.get(name)), None)


def gateway_url(known: Mapping[str, str]) -> str:
    """Return the gateway's base URL: ``MESH_URL``, or else this machine at ``PORT``."""
    port = first_of(known, "PORT", "API_PORT") or DEFAULT_PORT
    return (first_of(known, "MESH_URL") or f"http://127.0.0.1:{port}").rstrip("/")


def token_of(known: Mapping[str, str]) -> str | None:
    """Return the bearer token to send: ``MESH_TOKEN``, or else the first of ``API_TOKENS``."""
    token = first_of(known, "MESH_TOKEN", "API_TOKENS", "API_TOKEN")
    return token.split(",")[0].strip() if token else None


def is_set(known: Mapping[str, str], name: str) -> bool:
    """Return whether the variable is set to 1, true, yes or on."""
    return (known.get(name) or "").lower() in ("1", "true", "yes", "on")


def is_offline(known: Mapping[str, str]) -> bool:
    """Return whether ``MESH_OFFLINE`` forbids downloads."""
    return is_set(known, "MESH_OFFLINE")
