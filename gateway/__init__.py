"""gateway package of the voice mesh."""
