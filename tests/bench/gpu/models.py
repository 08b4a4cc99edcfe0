"""What an engine is given to load: real shapes with random weights, or the tests' tiny models.

Weights of NeMo and XTTS are built in memory and handed to the engine in place of what it would
read from an archive; everything else of its loading code runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch


@dataclass(slots=True)
class Model:
    """A model as the settings of its engine name it.

    Attributes:
        settings: for ``TtsSettings`` or ``SttSettings``.
        parameters: part → number of parameters.
        length: how the length of its output is fixed, in words.
        nemo: NeMo modules by the stem of the archive that they stand for.
        xtts: the module that stands for an XTTS folder.
        weights: where the engine gets the weights from, in words.
    """

    settings: dict[str, Any]
    parameters: dict[str, int]
    length: str
    nemo: dict[str, Any] = field(default_factory=dict)
    xtts: Any = None
    weights: str = "built in memory"

    def facts(self, load_s: float, peak_gib: float | None) -> dict[str, Any]:
        """What the report says of it, with what was measured of its loading."""
        return {
            "parameters": self.parameters,
            "weights": self.weights,
            "length": self.length,
            "load_s": load_s,
            "gpu_memory_gib": peak_gib,
        }


def count(module: Any) -> int:
    """Parameters of a torch module."""
    return sum(parameter.numel() for parameter in module.parameters())


@contextmanager
def given(model: Model) -> Iterator[None]:
    """While it lasts, engines that load the archives of ``model`` get its modules."""

    def restore(model_class: Any, name: str, device: str, home: Path) -> Any:
        return model.nemo[Path(name).stem].to(device).eval()

    def load_model(settings: Any, device: str) -> Any:
        return model.xtts.to(device)

    with ExitStack() as patches:
        if model.nemo:
            patches.enter_context(patch("shared.models.hub.nemo_archive.restore", restore))
        if model.xtts is not None:
            patches.enter_context(patch("tts_service.engines.xtts.model.load_model", load_model))
        yield


def placeholder(path: Path) -> str:
    """An empty file where an engine wants one whose content it is not going to read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return str(path)
