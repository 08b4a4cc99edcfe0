"""Post-process an engine's audio: trimming, tempo, joins, loudness."""
