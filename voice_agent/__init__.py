"""The voice agent service."""
