"""Generate the documentation that is derived from the code, or check that it is up to date.

The outputs are the settings table of docs/configuration.md and the variables that
docker-compose.yml passes on (both between their markers), ``.env.example``, and the OpenAPI files
under ``docs/openapi`` and ``gateway``. ``--check`` writes nothing and fails if a file is outdated.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import AliasChoices
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SERVICES = {
    "gateway": ("gateway.settings", "GatewaySettings", "gateway.app"),
    "tts": ("tts_service.settings", "TtsSettings", "tts_service.app"),
    "stt": ("stt_service.settings", "SttSettings", "stt_service.app"),
    "agent": ("voice_agent.settings", "AgentSettings", "voice_agent.app"),
}
BEGIN, END = "<!-- settings:begin (generated: make docs) -->", "<!-- settings:end -->"
COMPOSE_BEGIN, COMPOSE_END = "# environment:begin (generated: make docs)", "# environment:end"

SET_BY_COMPOSE = frozenset(
    {
        *("VOICEMESH_HOME", "VOICEMESH_STATE", "VOICES_DIR", "BIND_HOST", "PUBLISHED_HOST"),
        "LLAMA_ENDPOINT",
        *("PORT", "TTS_PORT", "STT_PORT", "AGENT_PORT", "TTS_URL", "STT_URL", "AGENT_URL"),
    }
)
"""Variables that docker-compose.yml itself sets: paths and addresses inside the containers."""

COMPOSE_ONLY = """
# --- containers (docker-compose.yml) ---
# There BIND_HOST, PORT, TTS_PORT and STT_PORT are where the ports are published; API_HOST and
# API_PORT are read by `make up` only. VOICES_DIR is the volume below.
# Image that the services' images are built on, with its digest where builds must be the same.
#BASE_IMAGE=python:3.11-slim-bookworm
# Where images are named, for example a registry to push them to, and their tag (CPU images).
#IMAGE_PREFIX=localhost/voicemesh
#IMAGE_TAG=cpu
# Index that pip uses while images are built, where it is not the default one.
#PIP_INDEX_URL=
# Further Debian packages of the tts image, separated by spaces: espeak-ng for Hindi.
#PACKAGES=
# Volume, or folder beginning with ./ or /, of reference recordings.
#VOICES_FOLDER=voices
# Time until a container that is told to stop is killed; longer than SHUTDOWN_GRACE_S.
#STOP_GRACE_PERIOD=30s
#OLLAMA_IMAGE=ollama/ollama:0.12.10
# models: fetch the weights that no image holds, before they are needed. `make up` and `make up-gpu`
# do so by themselves.
#COMPOSE_PROFILES=
# Token of the model hub, for gated models; proxy through which models are fetched.
#HF_TOKEN=
#HTTPS_PROXY=
#NO_PROXY=
# Keys of the buckets that CACHE_URL and VOICE_CACHE_URL name: s3://… (AWS_ENDPOINT_URL: one that is
# not Amazon's) and gs://… (path of a key file inside the container; mount it).
#AWS_ACCESS_KEY_ID=
#AWS_SECRET_ACCESS_KEY=
#AWS_SESSION_TOKEN=
#AWS_DEFAULT_REGION=
#AWS_ENDPOINT_URL=
#GOOGLE_APPLICATION_CREDENTIALS=
# Engines with docker-compose.gpu.yml: nemo or xtts, parakeet or whisper.
#TTS_GPU_ENGINE=nemo
#STT_GPU_ENGINE=parakeet
# Which GPU each container gets, by number or UUID.
#TTS_GPU=0
#STT_GPU=0
#OLLAMA_GPU=0
"""


def environment_names(name: str, field: FieldInfo) -> list[str]:
    """Return the environment variables that set ``field``, the preferred one first."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices]
    return [alias if isinstance(alias, str) else name.upper()]


def default_text(field: FieldInfo) -> str:
    """Return the default in the notation of an environment variable."""
    if field.default_factory is not None:
        return ""
    value = field.default
    if value is None or value is PydanticUndefined:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list | frozenset | set):
        return ",".join(str(item) for item in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def settings_rows() -> Iterator[tuple[str, str, list[str], str, str]]:
    """Yield (group, name, all names, default, description), each variable once."""
    common = importlib.import_module("shared.core.settings").CommonSettings
    groups: list[tuple[str, Any]] = [("all services", common)]
    for service, (module, cls, _) in SERVICES.items():
        groups.append((service, getattr(importlib.import_module(module), cls)))
    seen: set[str] = set()
    for group, model in groups:
        for name, field in model.model_fields.items():
            names = environment_names(name, field)
            if names[0] in seen:
                continue
            seen.add(names[0])
            yield group, names[0], names, default_text(field), field.description or ""


def settings_table() -> str:
    """Return the table of docs/configuration.md."""
    lines = ["| variable | default | of | meaning |", "| --- | --- | --- | --- |"]
    for group, name, names, default, text in settings_rows():
        also = f" Also read as `{'`, `'.join(names[1:])}`." if names[1:] else ""
        shown = f"`{default}`" if default else ""
        lines.append(f"| `{name}` | {shown} | {group} | {text}{also} |")
    return "\n".join(lines).replace(str(Path.home()), "~")


def env_example() -> str:
    """Return the content of ``.env.example``: every variable, commented out, with its default."""
    lines = [
        "# Settings of the mesh. Copy to .env and uncomment what you change.",
        "# Generated from the code by `make docs`.",
    ]
    group_before = None
    for group, name, _, default, text in settings_rows():
        if group != group_before:
            lines += ["", f"# --- {group} ---"]
            group_before = group
        lines += [f"# {text}", f"#{name}={default}"]
    return "\n".join(lines) + "\n" + COMPOSE_ONLY


def compose_environment() -> str:
    """Return the variables that docker-compose.yml passes on to each service if they are set."""
    lines = ["# Passed on to the services where they are set."]
    common = importlib.import_module("shared.core.settings").CommonSettings
    models: list[tuple[str, Any]] = [("all", common)]
    models += [
        (service, getattr(importlib.import_module(module), cls))
        for service, (module, cls, _) in SERVICES.items()
    ]
    for group, model in models:
        lines += [f"x-for-{group}: &for_{group}"]
        for name, field in model.model_fields.items():
            names = environment_names(name, field)
            if names[0] in SET_BY_COMPOSE or (model is not common and name in common.model_fields):
                continue
            lines += [f"  {variable}:" for variable in names]
    return "\n".join(lines)


def between(path: Path, begin: str, end: str, text: str) -> str:
    """Return the file's content with ``text`` between its two markers."""
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{text}\n{end}{after}"


def openapi_files() -> Iterator[tuple[Path, str]]:
    """Yield the specification of each service, and the gateway's, which is merged from them."""
    from gateway.routes import HTTP_ROUTES, WS_ROUTES, OwnRoutes, documented
    from gateway.upstream import Upstream
    from shared.http.server.openapi import build_spec, entries_of

    specs: dict[str, dict[str, Any]] = {}
    for service, (module, cls, app_module) in SERVICES.items():
        settings = getattr(importlib.import_module(module), cls)()
        if service == "gateway":
            continue
        app = importlib.import_module(app_module).create_app(settings)
        title = f"Voicemesh {service}"
        specs[service] = build_spec(entries_of(app), title=title, version="")
    away = {name: Upstream(name, ["http://127.0.0.1"], token=None, silence_s=1) for name in specs}
    own = documented(OwnRoutes(away, dict))
    merged = build_spec(own, title="Voicemesh", version="")
    for service, spec in specs.items():
        yield ROOT / "docs" / "openapi" / f"{service}.json", as_text(spec)
        merged["components"]["schemas"] |= spec["components"]["schemas"]
    # The gateway's forwarded paths are described by the service that handles them.
    passed_on = {path: service for path, (service, _) in HTTP_ROUTES.items()} | WS_ROUTES
    for path, service in passed_on.items():
        merged["paths"][path] = specs[service]["paths"][path]
    merged["paths"] = dict(sorted(merged["paths"].items()))
    merged["components"]["schemas"] = dict(sorted(merged["components"]["schemas"].items()))
    yield ROOT / "gateway" / "openapi.json", as_text(merged)


def as_text(spec: dict[str, Any]) -> str:
    """Return JSON in the format of the committed files."""
    return json.dumps(spec, indent=1, ensure_ascii=False) + "\n"


def outputs() -> Iterator[tuple[Path, str]]:
    """Yield every generated file with its content."""
    table, compose = ROOT / "docs" / "configuration.md", ROOT / "docker-compose.yml"
    yield table, between(table, BEGIN, END, settings_table())
    yield compose, between(compose, COMPOSE_BEGIN, COMPOSE_END, compose_environment())
    yield ROOT / ".env.example", env_example()
    yield from openapi_files()


def main() -> int:
    """Write or check the files; the exit status is 1 if a check found an outdated file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail instead of writing")
    check = parser.parse_args().check
    # The defaults must be those of the code, without the variables of this machine.
    for name in [n for _, _, names, _, _ in settings_rows() for n in names]:
        os.environ.pop(name, None)
    stale = []
    with tempfile.TemporaryDirectory() as scratch:
        # The routes can be described without engines, so none is loaded.
        os.environ |= {
            "VOICEMESH_HOME": scratch,
            "TTS_ENGINES": "fake",
            "STT_ENGINES": "fake",
            "LLM_ENGINES": "fake",
            "LOG_LEVEL": "CRITICAL",
        }
        os.chdir(scratch)
        for path, text in outputs():
            if path.exists() and path.read_text(encoding="utf-8") == text:
                continue
            stale.append(path.relative_to(ROOT))
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{'stale' if check else 'written'}: {path}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
