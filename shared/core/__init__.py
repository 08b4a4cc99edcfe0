"""Basics used by all services: errors, settings, logs, metrics, cancellation and streams."""
