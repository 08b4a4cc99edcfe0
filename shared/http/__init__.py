"""HTTP clients and servers of the services."""
