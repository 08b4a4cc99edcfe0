"""Models from package registries and hubs: what there is, how it is prepared, where it lies."""

from shared.models.assemble import ensure
from shared.models.catalogue import CATALOGUE, EMBEDDED
from shared.models.hub_catalogue import HUB
from shared.models.prepare import locate, prepare_all

__all__ = ["CATALOGUE", "EMBEDDED", "HUB", "ensure", "locate", "prepare_all"]
