"""shared.http.client package of the voice mesh."""
