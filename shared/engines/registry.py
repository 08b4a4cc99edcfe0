"""What an engine is to a service: its declared capabilities, and how it is found and built.

Capabilities are data (:class:`EngineSpec`), so that choosing an engine is a pure function and is
tested without one. A registry entry names the module that holds the engine; the module, and with
it the model library, is imported only when that engine is chosen.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any, TypeVar

from shared.core.errors import NotReady, UnknownModel

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """The capabilities of one engine, as data.

    Attributes:
        name: the word users write in ``TTS_ENGINES`` and read in ``X-Engine``.
        model: the model's public name.
        licence: SPDX identifier, or the licence's usual name, of the weights.
        commercial_use: whether that licence allows it.
        languages: BCP-47-like tags the engine handles (``en``, ``pt-br``); empty = any.
        parameters: request parameters that the engine honours; all others are reported back in
            ``X-Ignored-Parameters``.
        cloning: ``"none"``, ``"matching"`` (nearest built-in voice) or ``"cloning"``.
        streaming: audio or text leaves before the whole is done.
        max_concurrency: calls that may run inside the engine at once; 1 = not thread-safe.
        sample_rate: of the audio made or taken, Hz.
    """

    name: str
    model: str
    licence: str
    commercial_use: bool
    languages: frozenset[str]
    parameters: frozenset[str] = frozenset()
    cloning: str = "none"
    streaming: bool = True
    max_concurrency: int = 1
    sample_rate: int = 24_000


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """One line of a registry: where the engine lives and what it needs.

    Attributes:
        module: module to import, which must have ``build(settings) -> engine``.
        requires: top-level modules that must be installed, probed with ``find_spec``.
        extra: the pyproject extra that installs them.
    """

    module: str
    requires: tuple[str, ...]
    extra: str


class EngineRegistry:
    """Names of engines → lazily imported builders."""

    def __init__(self, entries: Mapping[str, EngineEntry]) -> None:
        self._entries = dict(entries)

    @property
    def names(self) -> Sequence[str]:
        """All known engine names, in the order of preference they were declared in."""
        return tuple(self._entries)

    def missing(self, name: str) -> list[str]:
        """Modules that ``name`` needs and that are not installed.

        Raises:
            UnknownModel: no such engine.
        """
        return [module for module in self.entry(name).requires if find_spec(module) is None]

    def builders(self, names: Sequence[str], settings: Any) -> list[tuple[str, Callable[[], Any]]]:
        """Name and builder of each engine, as :class:`shared.engines.host.EngineHost` takes them.

        Raises:
            UnknownModel: one of them does not exist.
        """
        for name in names:
            self.entry(name)
        return [(name, partial(self.build, name, settings)) for name in names]

    def build(self, name: str, settings: Any) -> Any:
        """Import the engine's module and build it; weights are loaded later by ``load()``.

        Raises:
            UnknownModel: no such engine.
            NotReady: a library is missing; the message has the command that installs it.
        """
        entry = self.entry(name)
        if missing := self.missing(name):
            raise NotReady(
                f"engine '{name}' needs {', '.join(missing)}: pip install -e '.[{entry.extra}]'",
                code="engine_not_installed",
                details={"engine": name},
            )
        return importlib.import_module(entry.module).build(settings)

    def entry(self, name: str) -> EngineEntry:
        """What is declared of an engine.

        Raises:
            UnknownModel: no such engine.
        """
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownModel(
                f"unknown engine '{name}'", details={"available": sorted(self._entries)}
            ) from None


def remembering(
    builders: Sequence[tuple[str, Callable[[], E]]],
) -> tuple[list[tuple[str, Callable[[], E]]], Mapping[str, E]]:
    """The builders, and the engines by name as soon as each is built, ready or not: what one that
    failed to load could have done decides whether its absence is reported."""
    built: dict[str, E] = {}

    def remember(name: str, build: Callable[[], E]) -> E:
        built[name] = build()
        return built[name]

    return [(name, partial(remember, name, build)) for name, build in builders], built
