"""Audio: PCM, decoding, encoding, resampling, WAV headers."""
