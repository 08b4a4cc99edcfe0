"""shared.schemas package of the voice mesh."""
