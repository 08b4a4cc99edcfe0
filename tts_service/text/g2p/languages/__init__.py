"""Grapheme-to-phoneme rules, one module per language."""
