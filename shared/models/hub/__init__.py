"""Models that come from a model hub."""
