"""Cutting text into sentences and clauses."""
