"""Models from package registries and hubs: catalogue, preparation and location on disk."""

from shared.models.by_name import locate, prepare_all
from shared.models.catalogue import CATALOGUE, EMBEDDED
from shared.models.hub.catalogue import HUB
from shared.models.packages.assemble import ensure

__all__ = ["CATALOGUE", "EMBEDDED", "HUB", "ensure", "locate", "prepare_all"]
