"""The modules of ``scripts/pictures``."""
