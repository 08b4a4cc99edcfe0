"""Run the services of a local mesh as supervised processes."""
