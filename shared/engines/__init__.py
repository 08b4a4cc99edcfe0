"""Engine hosting: registry, loading, admission, batching, fallback and devices."""
