"""Hosting engines: registry, loading, admission, batches, fallback, devices."""
