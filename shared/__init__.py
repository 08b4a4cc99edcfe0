"""shared package of the voice mesh."""
