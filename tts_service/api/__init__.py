"""HTTP and WebSocket routes of the speech synthesis service."""
