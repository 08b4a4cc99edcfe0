"""Engine capabilities, and a registry that finds and builds engines by name.

Capabilities are data (:class:`EngineSpec`), so the selection of an engine is a pure function that
can be tested without one. A registry entry names the module of an engine. That module, and with it
the model library, is imported only when the engine is selected.
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
        name: the name used in ``TTS_ENGINES`` and ``X-Engine``.
        model: the model's public name.
        licence: SPDX identifier, or the usual name, of the licence of the weights.
        commercial_use: whether the licence allows commercial use.
        languages: BCP-47-like tags of the supported languages (``en``, ``pt-br``); empty = any.
        parameters: request parameters that the engine supports; all others are listed in
            ``X-Ignored-Parameters``.
        cloning: ``"none"``, ``"matching"`` (nearest built-in voice) or ``"cloning"``.
        streaming: whether audio or text is returned before the whole answer is complete.
        max_concurrency: concurrent calls that the engine supports; 1 = not thread-safe.
        sample_rate: sample rate of the engine's audio output or input, Hz.
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
    """The location and the requirements of one engine.

    Attributes:
        module: module to import, which must have ``build(settings) -> engine``.
        requires: top-level modules that must be installed, checked with ``find_spec``.
        extra: the pyproject extra that installs them.
    """

    module: str
    requires: tuple[str, ...]
    extra: str


class EngineRegistry:
    """A mapping of engine names to lazily imported builders."""

    def __init__(self, entries: Mapping[str, EngineEntry]) -> None:
        self._entries = dict(entries)

    @property
    def names(self) -> Sequence[str]:
        """All known engine names, in the order of the registry."""
        return tuple(self._entries)

    def missing(self, name: str) -> list[str]:
        """Return the modules that ``name`` requires and that are not installed.

        Raises:
            UnknownModel: the engine does not exist.
        """
        return [module for module in self.entry(name).requires if find_spec(module) is None]

    def builders(self, names: Sequence[str], settings: Any) -> list[tuple[str, Callable[[], Any]]]:
        """Return name and builder of each engine, for an :class:`.engine_host.EngineHost`.

        Raises:
            UnknownModel: one of the engines does not exist.
        """
        for name in names:
            self.entry(name)
        return [(name, partial(self.build, name, settings)) for name in names]

    def build(self, name: str, settings: Any) -> Any:
        """Import the engine's module and build the engine; ``load()`` loads the weights later.

        Raises:
            UnknownModel: the engine does not exist.
            NotReady: a library is missing; the message contains the command that installs it.
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
        """Return the registry entry of an engine.

        Raises:
            UnknownModel: the engine does not exist.
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
    """Return wrapped builders, and a mapping that they fill with each engine they build.

    The mapping includes engines that failed to load. Their capabilities determine whether their
    absence is reported.
    """
    built: dict[str, E] = {}

    def remember(name: str, build: Callable[[], E]) -> E:
        built[name] = build()
        return built[name]

    return [(name, partial(remember, name, build)) for name, build in builders], built
