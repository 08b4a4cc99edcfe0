"""HTTP between the services and to the outside."""
