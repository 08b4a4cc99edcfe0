"""The common parts of all HTTP and WebSocket servers of the mesh."""
