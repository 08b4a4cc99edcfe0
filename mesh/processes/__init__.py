"""The services of a local mesh as processes: what they are, started, watched, ended."""
