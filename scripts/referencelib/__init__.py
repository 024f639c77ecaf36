"""Writes the reference of the command line from its declarations; `scripts/reference` is the command."""
