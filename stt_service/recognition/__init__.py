"""From a recording to a transcript: choosing an engine, reading, falling back."""
