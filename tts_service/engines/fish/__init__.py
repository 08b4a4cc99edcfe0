"""Fish Audio engines: the cloud API and a self-hosted fish-speech server."""
