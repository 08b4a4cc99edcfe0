"""The ``mesh`` command line: starts a local mesh and talks to a running one."""
