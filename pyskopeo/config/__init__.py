"""The files that users configure container tools with: text in, value out."""
