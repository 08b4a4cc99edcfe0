"""The speech synthesis service."""
