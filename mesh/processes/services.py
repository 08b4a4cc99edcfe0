"""Derive the commands, ports, engines and models of a local mesh's services from the settings.

The commands are the same as in the containers; only the addresses differ.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesh.processes.child import ServiceSpec
from shared.core.errors import InvalidRequest

_HIGHEST_PORT = 65535
LOOPBACK = "127.0.0.1"
_EVERYWHERE = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True)
class Member:
    """A service of the mesh: its modules and the variables that configure it."""

    name: str
    package: str
    settings: str
    port: str
    engines: str = ""
    registry: str = ""
    url: str = ""


MEMBERS = (
    Member(
        "tts",
        "tts_service",
        "TtsSettings",
        "TTS_PORT",
        "TTS_ENGINES",
        "tts_service.engines",
        "TTS_URL",
    ),
    Member(
        "stt",
        "stt_service",
        "SttSettings",
        "STT_PORT",
        "STT_ENGINES",
        "stt_service.engines",
        "STT_URL",
    ),
    Member(
        "agent",
        "voice_agent",
        "AgentSettings",
        "AGENT_PORT",
        "LLM_ENGINES",
        "voice_agent.llm",
        "AGENT_URL",
    ),
    Member("gateway", "gateway", "GatewaySettings", "PORT"),
)
"""All services in the order of their start; each one needs only those before it."""

_MODELS = {
    "kokoro": ("kokoro", "kokoro-voices", "resemblyzer"),
    "whisper": ("whisper-base",),
    "embedded": ("smollm2",),
}
"""Engine → models of the catalogue. Kokoro's voice matching needs resemblyzer."""

_HUB_MODELS = {
    "nemo": ("NEMO_TTS_SPECTROGRAM", "NEMO_TTS_VOCODER"),
    "xtts": ("XTTS_MODEL",),
    "parakeet": ("PARAKEET_MODEL",),
}
"""Engine → the variables that name its models, which are hub names or the user's own files."""

_OWN_MODEL = {"whisper": ("WHISPER_MODEL", "base"), "embedded": ("LLM_GGUF_PATH", "")}
"""Engine → the variable that replaces its model, and the value that selects the catalogue's."""


def load_settings(member: Member) -> Any:
    """Return the service's settings from the environment and ``.env``.

    Raises:
        InvalidRequest: a value is invalid; the message names the variable.
    """
    from pydantic import ValidationError

    cls = getattr(importlib.import_module(f"{member.package}.settings"), member.settings)
    try:
        return cls()
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part).upper() for part in fault['loc']) or member.name}: {fault['msg']}"
            for fault in error.errors()
        ]
        raise InvalidRequest("the settings are wrong: " + "; ".join(lines)) from None


def setting(settings: Any, variable: str) -> Any:
    """Return the value of the settings field for ``variable``.

    Raises:
        KeyError: no field has this variable.
    """
    from pydantic import AliasChoices

    for name, field in type(settings).model_fields.items():
        alias = field.validation_alias
        names = alias.choices if isinstance(alias, AliasChoices) else [alias or name.upper()]
        if variable in names:
            return getattr(settings, name)
    raise KeyError(variable)


def configured_models() -> list[str]:
    """Return the names of the models that the configured engines need."""
    names: list[str] = []
    for member in MEMBERS:
        if not member.engines:
            continue
        settings = load_settings(member)
        for engine in setting(settings, member.engines):
            if engine in _OWN_MODEL and not _uses_catalogue(settings, *_OWN_MODEL[engine]):
                names += _whisper_of_the_hub(settings) if engine == "whisper" else ()
                continue
            names += _MODELS.get(engine, ())
            names += _of_the_hub(settings, _HUB_MODELS.get(engine, ()))
    return list(dict.fromkeys(names))


def _of_the_hub(settings: Any, variables: tuple[str, ...]) -> list[str]:
    from shared.models.hub.catalogue import is_hub_name

    named = [str(setting(settings, variable)) for variable in variables]
    return [name for name in named if is_hub_name(name) and not Path(name).exists()]


def _whisper_of_the_hub(settings: Any) -> list[str]:
    from shared.core.errors import UnknownModel
    from shared.models.hub.catalogue import whisper_repository

    name = str(setting(settings, "WHISPER_MODEL"))
    if Path(name).is_dir():
        return []
    try:
        return [whisper_repository(name)]
    except UnknownModel:
        # The service reports the unknown model when it loads.
        return []


def _uses_catalogue(settings: Any, variable: str, default: str) -> bool:
    return str(setting(settings, variable) or "") == default


def state_folder() -> Path:
    """Return the folder for logs and saved defaults, which is separate for each gateway port.

    Raises:
        InvalidRequest: a setting is invalid.
    """
    gateway = load_settings(MEMBERS[-1])
    port = int(setting(gateway, MEMBERS[-1].port))
    if gateway.voicemesh_state is not None or port == _default_port(gateway):
        return Path(gateway.state)
    return Path(gateway.home) / f"mesh-{port}"


def _default_port(gateway: Any) -> int:
    return int(type(gateway).model_fields["port"].default)


def _ports(loaded: dict[str, Any]) -> dict[str, int]:
    """Return the port of each service.

    If the gateway has a non-default port, ports that are not set follow it, so that several meshes
    can run on one machine.

    Raises:
        InvalidRequest: the gateway's port is too high for the others to follow.
    """
    gateway = loaded[MEMBERS[-1].name]
    front = int(setting(gateway, MEMBERS[-1].port))
    moved = front != _default_port(gateway)
    ports = {}
    for offset, member in enumerate(MEMBERS[:-1], start=1):
        settings = loaded[member.name]
        chosen = member.port.lower() in settings.model_fields_set
        follows = moved and not chosen
        ports[member.name] = front + offset if follows else int(setting(settings, member.port))
        if ports[member.name] > _HIGHEST_PORT:
            raise InvalidRequest(
                f"PORT={front} leaves no port for {member.name}: set {member.port}"
            )
    return {**ports, MEMBERS[-1].name: front}


def local_services() -> list[ServiceSpec]:
    """Return the services that ``mesh up`` runs.

    Raises:
        InvalidRequest: a setting is invalid.
    """
    loaded = {member.name: load_settings(member) for member in MEMBERS}
    ports = _ports(loaded)
    state = str(state_folder())
    urls = {m.url: f"http://{LOOPBACK}:{ports[m.name]}" for m in MEMBERS if m.url}
    front = str(loaded["gateway"].bind_host)
    specs = []
    for member in MEMBERS:
        # Only the gateway may be reachable from other machines.
        host = front if member.name == "gateway" else LOOPBACK
        specs.append(
            ServiceSpec(
                member.name,
                _gunicorn(member.package),
                ports[member.name],
                _EVERYWHERE.get(host, host),
                {
                    **urls,
                    member.port: str(ports[member.name]),
                    "BIND_HOST": host,
                    "VOICEMESH_STATE": state,
                    "PYTHONUNBUFFERED": "1",
                },
            )
        )
    return specs


def _gunicorn(package: str) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "gunicorn"),
        *("-c", f"{package}/gunicorn.conf.py", f"{package}.app:create_server()"),
    )
