"""From an engine's audio to what is heard: loudness, joins, trimming, tempo."""
