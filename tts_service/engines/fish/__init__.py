"""Fish Audio's cloud API and a fish-speech server of one's own."""
