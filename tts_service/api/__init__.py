"""HTTP and WebSocket dialects of speech synthesis."""
