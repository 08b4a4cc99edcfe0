"""The commands of ``mesh``, one module each, imported when the command is used."""
