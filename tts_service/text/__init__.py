"""From written text to pieces that an engine can speak."""
