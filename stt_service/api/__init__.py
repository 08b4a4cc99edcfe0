"""HTTP routes of the speech recognition service."""
