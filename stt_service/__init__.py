"""The speech recognition service."""
