"""Everything written in figures, as words: one module per kind."""
