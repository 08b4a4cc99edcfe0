"""Voices: names, reference recordings, defaults, voice matching."""
