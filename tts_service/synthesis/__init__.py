"""Synthesise a request: choose an engine, speak, fall back, cache answers."""
