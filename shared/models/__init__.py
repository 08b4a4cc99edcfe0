"""Models from package registries: what there is, how it is prepared, where it lies."""

from shared.models.assemble import ensure, locate, prepare_all
from shared.models.catalogue import CATALOGUE, EMBEDDED

__all__ = ["CATALOGUE", "EMBEDDED", "ensure", "locate", "prepare_all"]
