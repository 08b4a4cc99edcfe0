"""HTTP dialects of speech recognition."""
