"""The checks of ``mesh doctor``, each with its result and a command that fixes a problem."""

from __future__ import annotations

import importlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from ctypes.util import find_library
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from mesh.processes import ports
from mesh.processes.child import ServiceSpec
from mesh.processes.services import (
    MEMBERS,
    Member,
    configured_models,
    load_settings,
    local_services,
    setting,
)
from mesh.processes.supervisor import is_ready
from shared.core.errors import MeshError

Verdict = Literal["ok", "note", "problem"]
_MIB = 1 << 20
NEWEST_PYTHON = (3, 14)
"""The newest Python version that the locks are checked for."""
NEWEST_WITH_WHEELS = {"nemo": (3, 12), "xtts": (3, 12)}
"""Engine → the newest Python with wheels of all its packages (scripts/check_locks.py lists the
packages without one). With newer versions pip compiles them, which needs a C++ compiler.
"""
_SPARE_MIB = 200
"""Space for logs and caches in addition to the models, MiB."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; a problem has a ``fix``, if possible a command."""

    subject: str
    verdict: Verdict
    text: str
    fix: str = ""


def examine() -> Iterator[Finding]:
    """Yield all findings, in the order in which they should be fixed."""
    yield _python()
    try:
        services = local_services()
        models = configured_models()
        home = load_settings(MEMBERS[0]).home
    except MeshError as error:
        yield Finding("settings", "problem", error.message, "edit .env or the environment")
        return
    yield Finding("settings", "ok", "valid")
    for member in MEMBERS:
        yield from _engines(member)
    yield from _libgomp()
    yield from _models(models, home)
    yield _disk(models, home)
    yield from _caches()
    for spec in services:
        yield _port(spec)
    yield from _optional()


def _python() -> Finding:
    # Older versions cannot occur: the package rejects them at installation.
    text = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info[:2] > NEWEST_PYTHON:
        newest = ".".join(map(str, NEWEST_PYTHON))
        return Finding(
            "python", "note", f"{text}; tested up to {newest}", f"PYTHON=python{newest} make run"
        )
    return Finding("python", "ok", text)


def _engines(member: Member) -> Iterator[Finding]:
    if not member.engines:
        return
    registry = importlib.import_module(member.registry).REGISTRY
    for engine in setting(load_settings(member), member.engines):
        subject = f"engine {engine}"
        try:
            missing = registry.missing(engine)
        except MeshError as error:
            known = ", ".join(error.details.get("available", ()))
            yield Finding(
                subject, "problem", f"{member.engines} names it; there is: {known}", "edit .env"
            )
            continue
        if missing:
            extra = registry.entry(engine).extra
            fix = f"{sys.executable} -m pip install -e '.[{extra}]'"
            text = f"not installed: {', '.join(missing)}"
            newest = NEWEST_WITH_WHEELS.get(engine)
            if newest and sys.version_info[:2] > newest:
                version = ".".join(map(str, newest))
                text += f"; some of it has no wheel for a Python above {version}"
                fix = f"PYTHON=python{version} scripts/setup_engines.sh"
            yield Finding(subject, "problem", text, fix)
        else:
            yield Finding(subject, "ok", f"installed ({member.name})")


def _models(names: list[str], home: Path) -> Iterator[Finding]:
    from shared.models import locate

    for name in names:
        try:
            locate(name, home)
        except MeshError as error:
            what, _, command = error.message.partition("; run: ")
            yield Finding(f"model {name}", "problem", what, command or f"mesh download {name}")
        else:
            yield Finding(f"model {name}", "ok", "prepared, sizes and times as verified")


def _disk(names: list[str], home: Path) -> Finding:
    from shared.models import CATALOGUE, locate

    needed = _SPARE_MIB * _MIB
    for name in names:
        try:
            locate(name, home)
        except MeshError:
            # The size of a hub model is not known locally; the hub reports it at download.
            needed += 2 * CATALOGUE[name].size if name in CATALOGUE else 0
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    text = f"{free // _MIB:,} MiB free at {home}"
    if free < needed:
        fix = "free some space, or set VOICEMESH_HOME to another disk"
        return Finding("disk", "problem", f"{text}; {needed // _MIB:,} MiB are needed", fix)
    return Finding("disk", "ok", text)


def _caches() -> Iterator[Finding]:
    from shared.cache import open_cache

    settings = load_settings(MEMBERS[0])
    for variable, name in (("CACHE_URL", "result"), ("VOICE_CACHE_URL", "voice")):
        url = str(setting(settings, variable))
        try:
            cache = open_cache(url, name=name, home=settings.home, max_bytes=_MIB)
        except MeshError as error:
            what, _, fix = error.message.partition(": pip install ")
            command = f"{sys.executable} -m pip install {fix}" if fix else "edit .env"
            yield Finding(f"{name} cache", "problem", what, command)
            continue
        kind = url.partition(":")[0] if cache is not None else "none"
        if cache is not None:
            cache.close()
        yield Finding(f"{name} cache", "ok", kind)


def _port(spec: ServiceSpec) -> Finding:
    subject = f"port {spec.port}"
    if ports.is_free(spec.port, spec.host):
        return Finding(subject, "ok", f"free ({spec.name} is not running)")
    ready, why = is_ready(spec)
    if ready:
        return Finding(subject, "ok", f"{spec.name} is running and ready")
    who = ports.holder(spec.port)
    if why == "no answer yet":
        variable = next(m.port for m in MEMBERS if m.name == spec.name)
        fix = f"stop it, or set {variable} to another port"
        return Finding(subject, "problem", f"wanted by {spec.name}, taken by {who}", fix)
    return Finding(subject, "problem", f"{spec.name} is not ready: {why}", "see its log")


def _optional() -> Iterator[Finding]:
    """Yield findings about optional components."""
    if shutil.which("espeak-ng"):
        yield Finding("espeak-ng", "note", "installed: more languages can be spoken")
    else:
        yield Finding("espeak-ng", "note", "not installed (optional)", "sudo apt install espeak-ng")
    yield _gpu()
    if find_spec("sounddevice") or (shutil.which("arecord") and shutil.which("aplay")):
        yield Finding("sound", "note", "microphone and loudspeaker can be used")
    else:
        yield Finding(
            "sound",
            "note",
            "`mesh talk` needs a file, `mesh say` an --output (optional)",
            f"{sys.executable} -m pip install sounddevice",
        )
    yield _ollama()


def _libgomp() -> Iterator[Finding]:
    """Check for libgomp, the only library that llama.cpp needs beyond a minimal Debian."""
    engines = setting(load_settings(MEMBERS[2]), "LLM_ENGINES")
    if "embedded" in engines and not find_library("gomp"):
        text = "not installed; the embedded language model needs it"
        yield Finding("libgomp", "problem", text, "sudo apt install libgomp1")


def _gpu() -> Finding:
    if not shutil.which("nvidia-smi"):
        return Finding("gpu", "note", "none found; the embedded engines need none")
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return Finding("gpu", "note", "nvidia-smi fails; the embedded engines need no GPU")
    return Finding("gpu", "note", answer.stdout.strip().replace("\n", "; "))


def _ollama() -> Finding:
    import requests

    endpoint: Any = setting(load_settings(MEMBERS[2]), "LLAMA_ENDPOINT")
    address = str(endpoint) if "://" in str(endpoint) else f"http://{endpoint}"
    try:
        requests.get(address, timeout=2).close()
    except requests.RequestException:
        return Finding("ollama", "note", f"none at {endpoint}; the next engine answers")
    return Finding("ollama", "note", f"answers at {endpoint}")
