"""Text processing for speech synthesis: normalisation, splitting and grapheme-to-phoneme."""
