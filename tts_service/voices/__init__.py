"""Voices: aliases, reference recordings, defaults and voice matching."""
