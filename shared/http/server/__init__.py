"""shared.http.server package of the voice mesh."""
