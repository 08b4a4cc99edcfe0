"""From a request to speech: choosing an engine, speaking, falling back, remembering answers."""
