"""Audio processing: PCM types, decoding, encoding, resampling and WAV headers."""
