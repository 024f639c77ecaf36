"""Configuration files shared by container tools (containers/* manual pages): parsing, and finding the files."""
