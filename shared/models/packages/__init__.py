"""Models that come in packages of PyPI and npm."""
