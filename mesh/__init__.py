"""mesh package of the voice mesh."""
