"""Coqui XTTS-v2: voice cloning."""
