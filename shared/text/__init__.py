"""Split text into sentences and clauses."""
