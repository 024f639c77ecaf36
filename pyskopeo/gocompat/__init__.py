"""Output that must be byte for byte what Go programs write: JSON, times and ``text/template``."""
