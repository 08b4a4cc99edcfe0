"""shared.clients package of the voice mesh."""
