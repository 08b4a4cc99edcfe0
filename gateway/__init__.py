"""The gateway: the public entry point that forwards requests to the services."""
