"""HTTP clients for calls between the services."""
