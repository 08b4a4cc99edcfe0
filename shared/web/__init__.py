"""shared.web package of the voice mesh."""
